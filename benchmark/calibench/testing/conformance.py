"""`check_plugin`: every check of a plugin and of each of its items, in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from calibench.errors import NoTorchError
from calibench.testing.second_process import RESULTS
from calibench.testing.session import HASHES, Session, session
from calibench.testing.source import Source, as_installed, sources_of
from calibench.testing.verdict import Verdict, assert_ok

LIMIT = 60.0
"""The seconds that a check may take."""

DECISIVE = ("import", "API version", "names")
"""Checks of the whole plugin without which its items cannot be checked."""


def check_plugin(
    target: str | Path | None = None, *, settings: Sequence[str] = (), limit: float = LIMIT
) -> list[Verdict]:
    """Make every check of a plugin, and return the verdicts; AssertionError lists those that fail.

    `target` is the name of an installed plugin, a package's folder (None: the current one), or a Python file. Each check may
    take `limit` seconds. `settings` are values for parameters, as in `halve.factor=0.3`.
    """
    __tracebackhide__ = True
    return assert_ok(list(plugin_verdicts(sources_of(target), settings=settings, limit=limit)))


def plugin_verdicts(
    sources: Sequence[Source], *, settings: Sequence[str] = (), limit: float = LIMIT
) -> Iterator[Verdict]:
    """The verdicts on plugins and their items, each as it is found. One process imports calibench for all of them.

    InputError without torch.
    """
    if find_spec("torch") is None:
        raise NoTorchError("calibench plugin check")
    with session(limit) as opened, ExitStack() as stack:
        items: list[tuple[str, dict[str, Any], str, str]] = []
        for source in sources:  # all imports come first, while the process has no torch
            about = asdict(stack.enter_context(as_installed(source)))
            sound, opened.items = True, []
            for verdict in opened.verdicts({"stage": "list", "source": about}):
                sound = sound and not (verdict.failed and verdict.check in DECISIVE)
                yield replace(verdict, plugin=source.name)
            items += [(source.name, about, family, name) for family, name in opened.items if sound]
        second = None
        families = [family for _, _, family, _ in items if family in RESULTS]
        if families:
            second = stack.enter_context(session(limit, HASHES[1]))
            second.warm(families[0])
        kept = Path(stack.enter_context(TemporaryDirectory())) / "result"
        for plugin, about, family, name in items:
            keep = str(kept) if family in RESULTS else ""
            job = {"source": about, "family": family, "name": name, "settings": list(settings), "keep": keep}
            for verdict in _of_item(opened, second, job, kept):
                yield replace(verdict, plugin=plugin)


def _of_item(first: Session, second: Session | None, job: dict[str, Any], kept: Path) -> Iterator[Verdict]:
    """The verdicts on one item; the last compares its result with that of a second process, if there is a result."""
    title = f"{job['family']} {job['name']}"
    kept.unlink(missing_ok=True)
    sound = True
    for verdict in first.verdicts({**job, "stage": "item"}, title):
        sound = sound and not (verdict.failed and verdict.check == "deterministic")
        yield verdict
    if second is not None and sound and kept.exists():
        yield from second.verdicts({**job, "stage": "again"}, title)
