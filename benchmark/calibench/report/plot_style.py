"""The look of all pictures: colours that colour-blind readers tell apart (Okabe & Ito 2008), sizes for print, and files."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.atomic import replacing, writable_folder
from calibench.errors import CalibenchNote

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1b2a41"
GREY = "#8a93a3"
BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"

SERIES = (
    (BLUE, "-", "o"),
    (VERMILLION, "--", "s"),
    (GREEN, "-.", "^"),
    (PURPLE, ":", "D"),
    (ORANGE, (0, (5, 1)), "v"),
    (SKY, (0, (3, 1, 1, 1)), "P"),
)
"""Colour, dashes and marker of each series: a print in grey tells them apart too."""

PANEL = (3.35, 3.75)
"""The size of a panel in inches: as wide as a column of print, 85 mm, so that letters have their size on paper."""

DPI = 300

SMALL = 6.5
"""Points of the smallest letters."""

MOST_ACROSS = 3

LONGEST_OF_TWO = 25
"""Letters of the words of a legend; longer ones stand in one column, not in two."""

LONGEST_NAME = 14
"""Letters of a class or a period; longer names are cut."""

SETTINGS: Any = {
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": SMALL,
    "lines.scale_dashes": True,
    "text.parse_math": False,  # names of classes and groups are text, whatever signs they have
    "text.usetex": False,
    "svg.hashsalt": "calibench",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw with these sizes, whatever the reader's own matplotlib has; names are text."""
    from matplotlib import rc_context

    with rc_context(SETTINGS):
        yield


@contextmanager
def _letters_without_font() -> Iterator[None]:
    """Say once which letters of names no font has, in place of matplotlib's warning about each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    letters = set()
    for warning in caught:
        glyph = re.match(r"Glyph (\d+) ", str(warning.message))
        if glyph:
            letters.add(chr(int(glyph[1])))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if letters:
        _say_without_font("".join(sorted(letters)))


@cache
def _say_without_font(letters: str) -> None:
    text = f"matplotlib's font lacks {letters}: the picture has boxes in their place"
    warnings.warn(text, CalibenchNote, stacklevel=2)


def panels(count: int, heights: float = 1.0) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, at most three side by side; `heights` scales their height."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across = min(count, MOST_ACROSS)
    down = -(-count // across)
    figure = Figure(figsize=(PANEL[0] * across, PANEL[1] * heights * down), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(down, across, squeeze=False).ravel())
    for axis in axes[count:]:
        axis.remove()
    for axis in axes[:count]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_box_aspect(1)
    return figure, axes[:count]


def unit_square(axis: Axes) -> None:
    """Both axes from 0 to 1, of equal scale, with the diagonal, which bars do not hide."""
    axis.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (4, 3)), label="calibration", zorder=3)
    axis.set(xlim=(0, 1), ylim=(0, 1))
    axis.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axis.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])


def interval_dots(axis: Axes, x: Any, y: Any, lengths: Any, label: str) -> None:
    """Dots at (x, y) with interval bars; `lengths [2, n]` are those below and above each dot."""
    axis.errorbar(
        x,
        y,
        yerr=lengths,
        fmt="o",
        markersize=3.5,
        color=VERMILLION,
        markeredgecolor=INK,
        markeredgewidth=0.5,
        ecolor=INK,
        elinewidth=0.9,
        capsize=1.8,
        clip_on=False,
        zorder=4,
        label=label,
    )


def title_and_legend(axis: Axes, title: str, side: str = "left") -> None:
    """The title, and between it and the axes the legend, where it hides nothing.

    `side` is the side of the axes where the legend begins.
    """
    words = axis.get_legend_handles_labels()[1]
    columns = 2 if all(len(text) <= LONGEST_OF_TWO for text in words) else 1
    legend = axis.legend(
        loc="lower left" if side == "left" else "lower right",
        bbox_to_anchor=(-0.13 if side == "left" else 1, 1.03),
        ncols=columns,
        frameon=False,
        handlelength=2.2,
        columnspacing=0.8,
        borderaxespad=0,
        borderpad=0.2,
    )
    legend.set_in_layout(False)  # the title makes the room above the axes; the legend does not make the axes narrow
    axis.set_title(title, pad=10 + 9.8 * -(-len(words) // columns))


def short(name: str, most: int = LONGEST_NAME) -> str:
    """A name on one line, cut where it is long."""
    name = " ".join(name.split())
    return name if len(name) <= most else f"{name[: most - 1]}…"


def save(figure: Figure, path: Path) -> None:
    """Write the figure, whole or not at all, in the format of the path's ending."""
    writable_folder(path.parent)
    with style(), _letters_without_font(), replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=DPI)


def as_svg(figure: Figure) -> bytes:
    """The figure as SVG, the same bytes each time."""
    stream = io.BytesIO()
    with style(), _letters_without_font():
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
