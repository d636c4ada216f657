"""Small multiples as a light SVG: one panel a method, drawn by matplotlib in one pair of axes (extra `plot`)."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WIDE, HIGH = 1.28, 1.46
"""The distance of panels, of which each is a square of side 1."""

LEGEND = 1.42
"""The height of the legend above the lower edge of the first row."""

DOT = 0.001
"""The length of a mark: matplotlib's own markers refer to definitions, which take more room in a file."""

NOT_DRAWN: dict[str, tuple[str, ...]] = {}
"""By the name of a method that a figure's data do not suit the reason, in lines for its empty panel."""

INK, GREY, BLUE, RED = "#1b2a41", "#9aa5b1", "#1f6fb2", "#d1495b"
STYLES: dict[str, dict[str, Any]] = {
    "frame": {"color": INK, "linewidth": 0.6},
    "diagonal": {"color": GREY, "linewidth": 0.7, "linestyle": (0, (3, 3))},
    "before": {"color": GREY, "linewidth": 2.4, "solid_capstyle": "butt"},
    "after": {"color": BLUE, "linewidth": 1.4},
    "wrong": {"color": RED, "linewidth": 1.4},
    "mark": {"color": RED, "linewidth": 4, "solid_capstyle": "round"},
}


class Line(NamedTuple):
    """A line of a panel: the name of its style, and points in the panel's units. A mark is a line too short to see."""

    style: str
    x: Floats
    y: Floats


@dataclass(frozen=True)
class Panel:
    """One diagram: the name of its method, a line of text below it, its lines, notes inside it, and labels at points."""

    title: str
    text: str = ""
    lines: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()
    labels: tuple[tuple[float, float, str], ...] = ()


@dataclass(frozen=True)
class Axes:
    """What all panels share: the ends of both axes, their names, the columns, and a legend by style."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_name: str
    y_name: str
    columns: int
    legend: dict[str, str] = field(default_factory=dict)
    diagonal: bool = False
    size: float = 1.3
    """The distance of panels divided by WIDE, in inches."""

    def placed(self, line: Line, number: int) -> tuple[Floats, Floats]:
        """The line in the figure's units, cut off at the frame, and a gap after it."""
        column, row = number % self.columns, number // self.columns
        x = (np.asarray(line.x, dtype=float) - self.x[0]) / (self.x[1] - self.x[0])
        y = (np.asarray(line.y, dtype=float) - self.y[0]) / (self.y[1] - self.y[0])
        y = np.where((x < -1e-9) | (x > 1 + 1e-9) | (y < -0.005) | (y > 1.005), math.nan, y)
        return np.append(x, math.nan) + WIDE * column, np.append(y, math.nan) - HIGH * row


def svg(panels: Sequence[Panel], axes: Axes, title: str) -> str:
    """The figure as the text of an SVG file: the same panels give the same bytes."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    low = HIGH * (1 - math.ceil(len(panels) / axes.columns))
    left, right, bottom, top = -0.2, WIDE * axes.columns - 0.1, low - 0.3, LEGEND + 0.1
    settings = {"svg.fonttype": "none", "svg.hashsalt": "calibench", "font.sans-serif": ["DejaVu Sans"]}
    with matplotlib.rc_context({**settings, "path.simplify_threshold": 0.3}):
        picture = Figure(figsize=(axes.size * (right - left), axes.size * (top - bottom)), facecolor="white")
        canvas = FigureCanvasSVG(picture)
        plot = picture.add_axes((0, 0, 1, 1))
        plot.set_axis_off()
        plot.set(xlim=(left, right), ylim=(bottom, top))
        _draw_lines(plot, panels, axes)
        _draw_text(plot, panels, axes)
        _draw_scales(plot, axes, low)
        file = io.StringIO()
        canvas.print_svg(file, metadata={"Date": None, "Title": title})
    return minified(file.getvalue())


def _draw_lines(plot: Any, panels: Sequence[Panel], axes: Axes) -> None:
    """One path a style, with gaps between panels: a path each would make the file three times as large."""
    (x0, x1), (y0, y1) = axes.x, axes.y
    square = Line("frame", np.array([x0, x1, x1, x0, x0]), np.array([y0, y0, y1, y1, y0]))
    diagonal = (Line("diagonal", np.array(axes.x), np.array(axes.y)),) if axes.diagonal else ()
    for style, look in STYLES.items():
        placed = [
            axes.placed(line, number)
            for number, panel in enumerate(panels)
            for line in (square, *diagonal, *panel.lines)
            if line.style == style
        ]
        if placed:
            x, y = (np.concatenate(values) for values in zip(*placed, strict=True))
            plot.plot(x, y, solid_joinstyle="round", **look)


def _draw_text(plot: Any, panels: Sequence[Panel], axes: Axes) -> None:
    """Titles, texts below them, notes inside the frames, and labels above points."""
    for number, panel in enumerate(panels):
        left, base = WIDE * (number % axes.columns), -HIGH * (number // axes.columns)
        plot.text(left, base + (1.15 if panel.text else 1.05), panel.title, fontsize=8, weight="bold", color=INK)
        if panel.text:
            plot.text(left, base + 1.04, panel.text, fontsize=6.5, color=INK)
        for line, note in enumerate(panel.notes):
            plot.text(left + 0.04, base + 0.9 - 0.1 * line, note, fontsize=6.5, color=INK)
        for x, y, label in panel.labels:
            (at_x, _), (at_y, _) = axes.placed(Line("mark", np.array([x]), np.array([y])), number)
            plot.text(at_x - 0.03, at_y + 0.05, label, fontsize=6.5, color=INK, horizontalalignment="right")


def _draw_scales(plot: Any, axes: Axes, low: float) -> None:
    """The ends of both axes at the lowest panel of the first column, the names of the axes, and the legend."""
    for end, align in ((0, "left"), (1, "right")):
        plot.text(end, low - 0.04, f"{axes.x[end]:g}", fontsize=6.5, color=INK, va="top", ha=align)
        plot.text(-0.03, low + end, f"{axes.y[end]:g}", fontsize=6.5, color=INK, va="center", ha="right")
    plot.text(0, low - 0.16, f"across: {axes.x_name}; up: {axes.y_name}", fontsize=7, color=INK, va="top")
    for number, (style, label) in enumerate(axes.legend.items()):
        left = number * WIDE * axes.columns / len(axes.legend)
        end = left + (DOT if style == "mark" else 0.18)
        plot.plot([left, end], [LEGEND, LEGEND], **STYLES[style])
        plot.text(left + 0.24, LEGEND, label, fontsize=7, color=INK, va="center")


def minified(text: str) -> str:
    """The SVG without comments, metadata and unused names, its coordinates to a tenth of a point."""
    for pattern in (
        r"<!--.*?-->",
        r"<metadata>.*?</metadata>",
        r"<!DOCTYPE.*?>",
        r' id="[\w-]+"',
        r' clip-path="[^"]*"',
    ):
        text = re.sub(pattern, "", text, flags=re.DOTALL)
    text = re.sub(r"<(?:path|text|svg) .*?>", lambda tag: _rounded(tag.group()), text, flags=re.DOTALL)
    text = re.sub(r"\s*\n\s*", "\n", text)
    return text.replace("\nL ", "\n")  # after the first point of a path, pairs of numbers are lines


def _rounded(tag: str) -> str:
    return re.sub(r"\d+\.\d\d+", lambda number: f"{float(number.group()):.1f}".removesuffix(".0"), tag)
