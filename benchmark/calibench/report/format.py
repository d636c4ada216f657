"""Figures, units and intervals as text. Fractions are stored; percent is shown, and the text or the column's header says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calibench.records.record import ResultRecord

CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ufdd0-\ufdef\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
"""Characters that steer a terminal, halves of characters, which cannot be written, and marks that show nothing or turn the order
of letters around, so that a name reads as another one."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A cell that begins so is a formula to a spreadsheet."""

MARKDOWN = (("\\", "\\\\"), ("|", "\\|"), ("&", "&amp;"), ("<", "&lt;"), ("](", "]\\("), ("![", "!\\["), ("`", "\\`"))
"""Signs that Markdown reads otherwise, and their escapes."""

NOTHING = "-"
"""Stands for a figure that is undefined or missing."""


def guarded(value: object) -> object:
    """A text for a cell of CSV: behind an apostrophe if a spreadsheet would compute it, as `=1+1`. Numbers stay numbers."""
    if not isinstance(value, str):
        return value
    return f"'{one_line(value)}" if value.lstrip(" ")[:1] in FORMULA and value.strip(" ") else one_line(value)


def markdown(text: str) -> str:
    """The text as Markdown shows it, in one line: no HTML, no link and no picture is read in it."""
    escaped = printable(text).replace("\n", " ").replace("\t", " ")
    for sign, shown in MARKDOWN:
        escaped = escaped.replace(sign, shown)
    return escaped


def json_text(text: str) -> str:
    """JSON with each character that steers a terminal as its escape, which JSON reads as the same character."""
    import json  # four modules, which a list of names does not need

    return CONTROL.sub(lambda match: json.dumps(match[0])[1:-1], text)


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
