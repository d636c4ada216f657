"""Reliability diagrams: accuracy against confidence with intervals, and how many samples each bin holds (extra `plot`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from calibench.atomic import replacing, writable_folder
from calibench.errors import InputError
from calibench.metrics.judged import Judged
from calibench.metrics.reliability import ReliabilityBin, reliability
from calibench.report.format import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".svg", ".png", ".pdf")
INK, BAR, GAP = "#1b2a41", "#4a7fb5", "#d1495b"


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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    picture = Figure(figsize=(4.6 * len(panels), 5.6), layout="constrained")
    FigureCanvasAgg(picture)
    axes = picture.subplots(2, len(panels), squeeze=False, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    for column, panel in enumerate(panels):
        upper, lower = axes[0, column], axes[1, column]
        filled = [row for row in reliability(panel.judged, bins) if row.count]
        _draw_accuracy(upper, filled, bins)
        upper.set(title=_title(panel, bins), ylabel="accuracy" if column == 0 else None, xlim=(0, 1), ylim=(0, 1.02))
        _draw_counts(lower, filled, bins)
        lower.set(xlabel="confidence", ylabel="samples" if column == 0 else None)
        lower.margins(y=0.35)
        for axis in (upper, lower):
            axis.spines[["top", "right"]].set_visible(False)
            axis.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
        upper.legend(loc="upper left", fontsize=7, frameon=False)
    writable_folder(path.parent)
    with replacing(path) as temporary:
        picture.savefig(temporary, format=path.suffix[1:].lower(), dpi=160)


def _title(panel: Panel, bins: int) -> str:
    if panel.ece is None:
        return panel.title
    return f"{panel.title}\nECE{bins} {figure(panel.ece, 'fraction')} %, n = {panel.judged.n}"


def _middles(rows: Sequence[ReliabilityBin]) -> list[float]:
    return [(row.lo + row.hi) / 2 for row in rows]


def _draw_accuracy(axis: Axes, rows: Sequence[ReliabilityBin], bins: int) -> None:
    """The diagonal, a bar of accuracy a bin with its interval, and a dot at its mean confidence."""
    middles = _middles(rows)
    accuracy = [row.accuracy or 0.0 for row in rows]
    confidence = [row.confidence or 0.0 for row in rows]
    axis.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)), label="perfect calibration")
    axis.bar(middles, accuracy, width=0.92 / bins, color=BAR, label="accuracy, 95 % Wilson interval")
    axis.errorbar(middles, accuracy, yerr=_interval_lengths(rows), fmt="none", ecolor=INK, elinewidth=1, capsize=2)
    axis.plot(confidence, accuracy, linestyle="none", marker="o", markersize=3.5, color=GAP, label="mean confidence")


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
    axis.bar(middles, [row.count for row in rows], width=0.92 / bins, color=BAR)
    for middle, row in zip(middles, rows, strict=True):
        axis.annotate(
            f"{row.count}",
            (middle, row.count),
            ha="center",
            va="bottom",
            fontsize=5.5,
            color=INK,
            rotation=90,
            xytext=(0, 1.5),
            textcoords="offset points",
        )
