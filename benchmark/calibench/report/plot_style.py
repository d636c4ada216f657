"""The look of all pictures: colours that colour-blind readers tell apart (Okabe & Ito 2008), axes, and files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.atomic import replacing, writable_folder

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

PANEL = (4.6, 4.4)
"""The size of a panel in inches."""

MOST_ACROSS = 3


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
        axis.tick_params(labelsize=9)
    return figure, axes[:count]


def unit_square(axis: Axes) -> None:
    """Both axes from 0 to 1, of equal scale, with the diagonal."""
    axis.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)), label="perfect calibration", zorder=1)
    axis.set(xlim=(0, 1), ylim=(0, 1.02), aspect="equal")
    axis.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axis.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])


def legend(axis: Axes, place: Any = "best") -> None:
    """A small legend without a frame line."""
    axis.legend(loc=place, fontsize=7.5, frameon=True, framealpha=0.85, edgecolor="none", handlelength=2.6)


def save(figure: Figure, path: Path) -> None:
    """Write the figure, whole or not at all, in the format of the path's ending."""
    writable_folder(path.parent)
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=160)


def as_svg(figure: Figure) -> bytes:
    """The figure as SVG, the same bytes each time."""
    from matplotlib import rc_context

    stream = io.BytesIO()
    with rc_context({"svg.hashsalt": "calibench"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
