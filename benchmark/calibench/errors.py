"""Errors of calibench: a message states the problem, a hint a remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class CalibenchError(Exception):
    """Base of every calibench error: `message` (the problem and its place) and `hint` (a remedy).

    The command line ends with `exit_code`.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class InputError(CalibenchError, ValueError):
    """The user's mistake: a bad value, file, name or key. Exit code 2, and nothing has been written."""

    exit_code = 2


TORCH = "torch>=2.10,<2.14"
HOW_TO_GET_TORCH = (
    f'for a CPU, 200 MB: pip install "{TORCH}" --index-url https://download.pytorch.org/whl/cpu; '
    f'for CUDA, on Linux 5 GB: pip install "{TORCH}"'
)
"""The two commands: a plain `pip install torch` brings all of CUDA on Linux, also to a machine without a GPU."""


class NoTorchError(InputError):
    """Training and refitting need torch, which `pip install calibench` leaves out."""

    def __init__(self, what: str) -> None:
        super().__init__(f"torch is not installed, and {what} needs it", HOW_TO_GET_TORCH)


def lacks_torch(error: BaseException) -> bool:
    """True for the error of an `import torch` where there is no torch."""
    return isinstance(error, ModuleNotFoundError) and error.name == "torch"


class PluginError(CalibenchError):
    """A plugin that makes names ambiguous or hooks dead; the message names the plugin. Exit code 2."""

    exit_code = 2


class RunError(CalibenchError, RuntimeError):
    """A run that started with good input and failed (a NaN loss, a full disk). Exit code 1."""


class CutOffError(CalibenchError):
    """The user ended the command (Ctrl-C); the message says how far it was."""

    exit_code = 130


LONGEST_LIST = 100
"""So many choices are listed."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """`did you mean 'vtst'?` for a near miss among the `choices`, else the list of them, the first hundred of many."""
    names = sorted(choices)
    lower = [name.lower() for name in names]
    longer = sorted((name for name in lower if len(word) > 2 and name.startswith(word.lower())), key=len)
    near = longer[:1] or difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    if near:
        return f"did you mean {next(name for name in names if name.lower() == near[0])!r}?"
    more = f" and {len(names) - LONGEST_LIST} more" if len(names) > LONGEST_LIST else ""
    return f"known: {', '.join(names[:LONGEST_LIST])}{more}" if names else "there is none to choose from"


class CalibenchWarning(UserWarning):
    """Something the user should see once and that does not stop a run."""


class CalibenchNote(CalibenchWarning):
    """Something the user should know that is no cause for worry, such as the epoch from which a training is resumed."""


@contextmanager
def blaming(what: str) -> Iterator[None]:
    """Turn exceptions of a plugin's code, also SystemExit, into a RunError that names `what`; our own errors and Ctrl-C pass."""
    try:
        yield
    except (CalibenchError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if lacks_torch(error):
            raise NoTorchError(what) from error
        hint = "if it is a plugin of yours, correct it; CALIBENCH_TRACEBACK=1 shows where it failed"
        raise RunError(f"{what} failed: {type(error).__name__}: {error}", hint) from error
