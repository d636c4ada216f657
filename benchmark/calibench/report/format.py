"""Figures, units and intervals as text. Fractions are stored; percent is shown, and the text or the column's header says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calibench.records.record import ResultRecord

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that steer a terminal, and halves of characters, which cannot be written."""

NOTHING = "-"
"""Stands for a figure that is undefined or missing."""


def guarded(value: object) -> object:
    """A text that a spreadsheet would compute, as `=1+1`, behind an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" else value


def one_line(text: str) -> str:
    """The text with tabs, line breaks and every character that shows nothing as its escape, as it may stand in a line."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def printable(text: str) -> str:
    """The text with every such character as its escape: names in a file may hold them."""
    return CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def figure(value: float, unit: str) -> str:
    """`1.41` for a fraction of .0141, `0.3316` for any other unit: percent with two digits, else four digits."""
    return f"{100 * value:.2f}" if unit == "fraction" else f"{value:.4f}"


def interval(bounds: Sequence[float] | None, unit: str) -> str:
    """`[1.10, 1.75]`; empty if there is no interval."""
    return f"[{figure(bounds[0], unit)}, {figure(bounds[1], unit)}]" if bounds else ""


def figure_with_interval(value: float | None, bounds: Sequence[float] | None, unit: str) -> str:
    """`1.41 [1.10, 1.75]`, the figure alone if there is no interval, `-` if there is no figure."""
    return NOTHING if value is None else f"{figure(value, unit)} {interval(bounds, unit)}".rstrip()


def signed_with_interval(value: float, bounds: Sequence[float] | None, unit: str) -> str:
    """`-0.31 [-0.62, 0.01]`: a difference with its sign, `+` too."""
    sign = "+" if value > 0 else ""
    return f"{sign}{figure(value, unit)} {interval(bounds, unit)}".rstrip()


def header(name: str, unit: str) -> str:
    """A column's name and unit: `ece15 %`, `nll nats`; the name alone for a unit that says nothing more, as a Brier score's."""
    if unit == "fraction":
        return f"{name} %"
    return f"{name} {unit}" if unit == "nats" else name


def metric_of_run(record: ResultRecord, name: str) -> str:
    """`ece15 1.41 % [1.10, 1.75]`: one metric of a record, for a line about the run."""
    value, unit = record.metrics[name], record.units[name]["unit"]
    if value is None:
        return f"{name} undefined"
    percent = " %" if unit == "fraction" else ""
    return f"{name} {figure(value, unit)}{percent} {interval(record.intervals.get(name), unit)}".rstrip()
