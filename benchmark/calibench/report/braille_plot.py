"""Lines in characters: a plot of braille dots, two by four a character, and a sparkline of one line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text

Points = Sequence[tuple[float, float]]

BARS = "▁▂▃▄▅▆▇█"
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a character, by row and column."""

STYLES = ("cyan", "yellow", "magenta", "green", "red", "blue")

LOG_FROM = 10.0
"""If the largest value is more than so many times the smallest, the axis is logarithmic."""


@dataclass(frozen=True)
class Line:
    """Points (x, y) of one line, in the order of x, and its style."""

    points: Points
    style: str = ""


def is_log(lines: Sequence[Line]) -> bool:
    """True if the values are positive and span more than a factor of ten."""
    values = [y for line in lines for _, y in line.points]
    return min(values) > 0 and max(values) / min(values) > LOG_FROM


def plot(lines: Sequence[Line], width: int, height: int = 12) -> list[Text]:
    """The lines as `height` rows of text, with an axis of values on the left and one of x below, `width` characters wide.

    Where two lines share a character, it has the style of the later one.
    """
    from rich.text import Text

    scale = math.log10 if is_log(lines) else float
    xs = [x for line in lines for x, _ in line.points]
    ys = [scale(y) for line in lines for _, y in line.points]
    low, high = min(ys), max(ys)
    labels = [f"{(10**y if scale is math.log10 else y):.4g}" for y in (high, (low + high) / 2, low)]
    margin = max(map(len, labels)) + 1
    columns = max(width - margin - 1, 10)
    cells: dict[tuple[int, int], tuple[int, str]] = {}
    for line in lines:
        dots = [_place(x, scale(y), (min(xs), max(xs)), (low, high), (2 * columns, 4 * height)) for x, y in line.points]
        for column, row in _joined(dots):
            key = row // 4, column // 2
            bits, _ = cells.get(key, (0, ""))
            cells[key] = bits | DOTS[row % 4][column % 2], line.style
    rows = []
    for row in range(height):
        label = {0: labels[0], height // 2: labels[1], height - 1: labels[2]}.get(row, "")
        text = Text(f"{label:>{margin}}│", style="dim")
        for column in range(columns):
            bits, style = cells.get((row, column), (0, ""))
            text.append(chr(0x2800 + bits), style=style or "default")
        rows.append(text)
    first, last = f"{min(xs):g}", f"{max(xs):g}"
    rows.append(Text(f"{'':>{margin}}└{first}{last:>{max(columns - len(first), len(last))}}", style="dim"))
    return rows


def _place(
    x: float, y: float, x_range: tuple[float, float], y_range: tuple[float, float], size: tuple[int, int]
) -> tuple[int, int]:
    """The column and the row of a point among `size` dots; the highest value is in row 0."""
    wide, high = x_range[1] - x_range[0], y_range[1] - y_range[0]
    column = round((x - x_range[0]) / wide * (size[0] - 1)) if wide else 0
    row = round((y_range[1] - y) / high * (size[1] - 1)) if high else size[1] // 2
    return column, row


def _joined(dots: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The dots, and those on the straight lines between them."""
    if len(dots) == 1:
        return list(dots)
    found = []
    for (x0, y0), (x1, y1) in pairwise(dots):
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        found += [(round(x0 + (x1 - x0) * k / steps), round(y0 + (y1 - y0) * k / steps)) for k in range(steps + 1)]
    return found


def sparkline(values: Sequence[float], width: int = 20) -> str:
    """The values as at most `width` bars, each the mean of a stretch; on a logarithmic axis if they span a factor of ten."""
    if not values:
        return ""
    count = min(width, len(values))
    edges = [round(k * len(values) / count) for k in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    if min(means) > 0 and max(means) / min(means) > LOG_FROM:
        means = [math.log(value) for value in means]
    low, high = min(means), max(means)
    return "".join(BARS[round((value - low) / (high - low) * 7) if high > low else 0] for value in means)
