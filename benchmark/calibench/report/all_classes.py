"""Reliability of every class in one picture: a line a class, in bins or as CORP curves, the worst classes in colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.corp_curve import isotonic, level_ends
from calibench.metrics.judged import Judged
from calibench.report.plot_style import GREY, INK, SERIES, SMALL, short, unit_square
from calibench.report.reliability_pictures import Question, bins_of, question

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CLASSES = len(SERIES)
"""So many classes are drawn with a colour and a name; the others are grey."""


class Line(NamedTuple):
    """The line of one class, how far it is from calibration, and that in words."""

    p: Floats
    share: Floats
    error: float
    words: str


def draw_bins(axis: Axes, judged: Judged, names: tuple[str, ...] = ()) -> None:
    """A line of the shares in 15 bins a class, those of the largest ECE in colour."""
    _draw(axis, [_binned(question(judged, k), judged) for k in range(judged.num_classes)], names)


def draw_corp(axis: Axes, judged: Judged, names: tuple[str, ...] = ()) -> None:
    """A CORP curve a class, those of the largest MCB in colour."""
    _draw(axis, [_isotonic(question(judged, k), judged) for k in range(judged.num_classes)], names)


def _draw(axis: Axes, lines: Sequence[Line], names: tuple[str, ...]) -> None:
    worst = np.argsort([-line.error for line in lines], kind="stable")[:MOST_CLASSES].tolist()
    unit_square(axis)
    for k, line in enumerate(lines):
        if k not in worst:
            axis.plot(line.p, line.share, color=GREY, linewidth=0.6, alpha=0.6, zorder=1)
    for (colour, dashes, marker), k in zip(SERIES, sorted(worst), strict=False):
        line = lines[k]
        name = short(names[k]) if names and not names[k].startswith("_") else f"class {short(names[k]) if names else k}"
        axis.plot(
            line.p,
            line.share,
            color=colour,
            linestyle=dashes,
            marker=marker,
            markevery=max(1, len(line.p) // 8),
            markersize=3.5,
            linewidth=1.3,
            clip_on=False,
            label=f"{name} ({line.words})",
        )
    axis.set(xlabel="probability of the class", ylabel="share of the class")
    if len(lines) > MOST_CLASSES:
        text = f"grey: {len(lines) - MOST_CLASSES} others"
        axis.text(0.99, 0.02, text, ha="right", fontsize=SMALL, color=INK)


def _isotonic(asked: Question, judged: Judged) -> Line:
    """The curve of one class and its MCB, without a band."""
    values, place, fit = isotonic(asked.p, asked.y, judged.sample_weight)
    own = np.ones(judged.n) if judged.sample_weight is None else judged.sample_weight
    removed = float(((asked.p - asked.y) ** 2 - (fit[place] - asked.y) ** 2) @ own / own.sum())
    return Line(*level_ends(values, fit), removed, f"MCB {removed:.4f}")


def _binned(asked: Question, judged: Judged) -> Line:
    """The bins of one class, and its ECE of 15 bins."""
    bins = bins_of(asked, judged)
    error = float(bins.weight @ np.abs(bins.p - bins.share) / bins.weight.sum())
    return Line(bins.p, bins.share, error, f"ECE {100 * error:.2f} %")
