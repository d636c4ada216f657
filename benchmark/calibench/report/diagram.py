"""Reliability diagrams: accuracy against confidence with intervals, and how many samples each bin holds (extra `plot`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from calibench.errors import InputError
from calibench.metrics.judged import Judged
from calibench.metrics.reliability import ReliabilityBin, reliability
from calibench.report.format import figure
from calibench.report.plot_style import (
    BLUE,
    INK,
    PANEL,
    SKY,
    SMALL,
    interval_dots,
    save,
    short,
    style,
    title_and_legend,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".svg", ".png", ".pdf")
LONGEST_TITLE = 40


class Panel(NamedTuple):
    """One diagram of the file: its title, the outputs, and the ECE that stands below the title if there is one."""

    title: str
    judged: Judged
    ece: float | None


def check_plot(path: Path) -> None:
    """InputError unless `path` ends in a format that can be drawn and matplotlib is installed. Writes nothing."""
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"cannot draw {str(path)!r}", f"end it in {', '.join(FORMATS)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError("drawing needs matplotlib", 'pip install "calibench[plot]"') from None


def reliability_diagram(panels: Sequence[Panel], path: Path, bins: int = 15) -> None:
    """Draw `panels` side by side: accuracy a bin with its Wilson 95 % interval, mean confidence, and counts below.

    InputError if `path` cannot be drawn or written.
    """
    check_plot(path)
    with style():
        picture = _picture(panels, bins)
    save(picture, path)


def _picture(panels: Sequence[Panel], bins: int) -> Figure:
    """The diagrams side by side, with the counts below each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = Figure(figsize=(PANEL[0] * len(panels), 4.6), layout="constrained")
    FigureCanvasAgg(picture)
    axes = picture.subplots(2, len(panels), squeeze=False, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    for column, panel in enumerate(panels):
        upper, lower = axes[0, column], axes[1, column]
        filled = [row for row in reliability(panel.judged, bins) if row.count]
        _draw_accuracy(upper, filled, bins)
        upper.set(ylabel="accuracy" if column == 0 else None, xlim=(0, 1), ylim=(0, 1))
        title_and_legend(upper, _title(panel, bins))
        _draw_counts(lower, filled, bins)
        lower.set(xlabel="confidence", ylabel="samples" if column == 0 else None)
        lower.margins(y=0.45)
        for axis in (upper, lower):
            axis.spines[["top", "right"]].set_visible(False)
            axis.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    return picture


def _title(panel: Panel, bins: int) -> str:
    if panel.ece is None:
        return short(panel.title, LONGEST_TITLE)
    return f"{short(panel.title, LONGEST_TITLE)}\nECE{bins} {figure(panel.ece, 'fraction')} %, n = {panel.judged.n}"


def _middles(rows: Sequence[ReliabilityBin]) -> list[float]:
    return [(row.lo + row.hi) / 2 for row in rows]


def _draw_accuracy(axis: Axes, rows: Sequence[ReliabilityBin], bins: int) -> None:
    """The diagonal, a bar of accuracy a bin with its interval, and a dot at its mean confidence."""
    accuracy = [row.accuracy or 0.0 for row in rows]
    axis.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (4, 3)), label="calibration", zorder=3)
    axis.bar(
        _middles(rows),
        accuracy,
        width=0.92 / bins,
        color=SKY,
        edgecolor=BLUE,
        linewidth=0.5,
        label="accuracy in the bin",
    )
    interval_dots(
        axis, [row.confidence or 0.0 for row in rows], accuracy, _interval_lengths(rows), "95 %, at mean confidence"
    )


def _interval_lengths(rows: Sequence[ReliabilityBin]) -> list[list[float]]:
    """The length of each interval below and above its accuracy, as matplotlib takes it."""
    below, above = [], []
    for row in rows:
        accuracy = row.accuracy or 0.0
        low, high = row.accuracy_interval or (accuracy, accuracy)
        below.append(max(accuracy - low, 0.0))
        above.append(max(high - accuracy, 0.0))
    return [below, above]


def _draw_counts(axis: Axes, rows: Sequence[ReliabilityBin], bins: int) -> None:
    """A bar a bin with its number of samples, which also stands above it."""
    middles = _middles(rows)
    axis.bar(middles, [row.count for row in rows], width=0.92 / bins, color=SKY, edgecolor=BLUE, linewidth=0.5)
    for middle, row in zip(middles, rows, strict=True):
        axis.annotate(
            f"{row.count}",
            (middle, row.count),
            ha="center",
            va="bottom",
            fontsize=SMALL,
            color=INK,
            rotation=90,
            xytext=(0, 1.5),
            textcoords="offset points",
        )
