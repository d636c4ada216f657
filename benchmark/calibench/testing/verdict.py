"""Verdict: the result of one check of a plugin, and the two exceptions by which a check says that it fails or does not apply."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from calibench.errors import CalibenchError, InputError

CORE = Path(__file__).parents[1]
"""The folder of calibench's own code, without its plugins."""

OK, FAILS, DOES_NOT_APPLY = "ok", "fails", "does not apply"

CLOSES_FILES = 78
"""The exit code of a checked process whose messages a plugin has closed."""


@dataclass(frozen=True)
class Verdict:
    """One check: its name, `ok`, `fails` or `does not apply`, why, and the remedy.

    `item` is as `method halve`, or empty for a check of the whole `plugin`, which is its name.
    """

    check: str
    status: str
    why: str = ""
    remedy: str = ""
    item: str = ""
    plugin: str = ""

    @property
    def failed(self) -> bool:
        """True if the check fails."""
        return self.status == FAILS

    def to_dict(self) -> dict[str, str]:
        """The fields, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        subject = f"{self.item}: " if self.item else f"plugin {self.plugin}: " if self.plugin else ""
        why = f": {self.why}" if self.why else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{subject}{self.check}: {self.status}{why}{remedy}"


class FailsError(Exception):
    """The check fails: the reason, and what to do."""

    def __init__(self, why: str, remedy: str = "") -> None:
        super().__init__(why)
        self.why, self.remedy = why, remedy


class DoesNotApplyError(Exception):
    """The check does not apply: the reason."""


class Check(NamedTuple):
    """A check by its name. `run(subject)` returns a note or None, or raises `FailsError` or `DoesNotApplyError`."""

    name: str
    run: Callable[[Any], str | None]
    remedy: str = ""


def verdict_of(check: Check, subject: Any, item: str = "") -> Verdict:
    """The verdict of a check in this process. Every exception of a plugin's code makes the check fail."""
    try:
        note = check.run(subject)
    except DoesNotApplyError as reason:
        return Verdict(check.name, DOES_NOT_APPLY, str(reason), item=item)
    except FailsError as fault:
        return Verdict(check.name, FAILS, fault.why, fault.remedy or check.remedy, item)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit
        if isinstance(error, InputError) and raised_by_plugin(error):
            return Verdict(check.name, DOES_NOT_APPLY, f"it refuses the toy data: {text_of(error)}", item=item)
        return Verdict(check.name, FAILS, text_of(error), check.remedy, item)
    return Verdict(check.name, OK, note or "", item=item)


def raised_by_plugin(error: CalibenchError) -> bool:
    """True if a plugin raised the error on purpose: neither calibench's own checks, nor an exception that it turned into one."""
    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    return error.__cause__ is None and not Path(frames[-1]).is_relative_to(CORE)


def text_of(error: BaseException) -> str:
    """An exception in one line, with the innermost place outside calibench."""
    message = error.message if isinstance(error, CalibenchError) else f"{type(error).__name__}: {error}"
    cause = error.__cause__ if isinstance(error, CalibenchError) and error.__cause__ is not None else error
    frames = [
        frame for frame in traceback.extract_tb(cause.__traceback__) if not Path(frame.filename).is_relative_to(CORE)
    ]
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return " ".join(message.split())[:500] + place


def assert_ok(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts; AssertionError that lists those that fail, a line each."""
    failed = [verdict for verdict in verdicts if verdict.failed]
    if failed:
        __tracebackhide__ = True
        raise AssertionError("\n".join(["the plugin fails checks of calibench:", *map(str, failed)]))
    return list(verdicts)
