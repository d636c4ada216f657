"""Checks of what a program passes to `run`, where the command line has those of its parser."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from calibench.errors import InputError

if TYPE_CHECKING:
    from calibench.stages import Report


class RunOptions(TypedDict, total=False):
    """Keywords that `run` takes with a preset and without one."""

    trained: bool | None
    head: str | None
    epochs: int | None
    select: str | None
    compile: bool
    settings: Sequence[str]
    results: str | Path | None
    force: bool
    device: str
    data_dir: str | Path | None
    download: bool
    report: Report
    shift: str | Sequence[str]
    ood: str | Sequence[str]
    ood_score: str | Sequence[str]


def words(name: str, value: Any, several: bool) -> tuple[str, ...]:
    """One text as a tuple, or several where there may be; none for None."""
    return tuple(_listed(name, value, str, several))


def numbers(name: str, value: Any, several: bool) -> tuple[int, ...]:
    """One whole number as a tuple, or several where there may be; none for None."""
    return tuple(int(number) for number in _listed(name, value, Integral, several))  # numpy's integers too


def _listed(name: str, value: Any, kind: type, several: bool) -> Sequence[Any]:
    if value is None:
        return ()
    listed = list(value) if isinstance(value, list | tuple | range) else [value]
    if isinstance(value, list | tuple | range) and not several:
        message = f"{name} is a {type(value).__name__}, and one run has one {name}"
        raise InputError(message, f"call run once for each; with a preset there may be several, as {name}=[...]")
    odd = [item for item in listed if not isinstance(item, kind) or isinstance(item, bool)]
    if odd:
        wanted = "a text" if kind is str else "a whole number"
        raise InputError(f"{name} {odd[0]!r} is not {wanted}", "as on the command line")
    return listed
