"""Reliability diagrams of the top label, of a class and of all classes, in bins and as CORP curves; confidences."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Floats, bin_index
from calibench.metrics.corp_curve import corp_curve, isotonic, level_ends
from calibench.metrics.judged import Judged
from calibench.metrics.mean_interval import wilson_interval
from calibench.report.plot_style import BLUE, GREY, INK, SERIES, SKY, VERMILLION, legend, unit_square

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 15

MOST_CLASSES = len(SERIES)
"""So many classes are drawn with a colour and a name; the others are grey."""


class Question(NamedTuple):
    """A yes-or-no question about each sample: its probability `p [N]`, its answer `y [N]`, and their names on axes."""

    p: Floats
    y: Floats
    asked: str
    answered: str


def question(judged: Judged, of_class: int | None, names: tuple[str, ...] = ()) -> Question:
    """Is the prediction right? Or, with a class: is the label this class?"""
    if of_class is None:
        return Question(np.minimum(judged.confidence, 1.0), judged.correct, "confidence", "accuracy")
    name = names[of_class] if names else str(of_class)
    y = (judged.labels == of_class).astype(np.float64)
    return Question(judged.probs_of(of_class), y, f"probability of class {name}", f"share of class {name}")


def draw_bins(axis: Axes, judged: Judged, asked: Question) -> None:
    """The share of yes in each of 15 bins with its Wilson 95 % interval, and the mean probability."""
    weights = np.ones(judged.n) if judged.sample_weight is None else judged.sample_weight
    index = bin_index(asked.p, BINS)
    count, squares, p, y = (
        np.bincount(index, values, BINS) for values in (weights, weights**2, weights * asked.p, weights * asked.y)
    )
    filled = np.flatnonzero(count > 0)
    middle = (filled + 0.5) / BINS
    share = y[filled] / count[filled]
    effective = count[filled] ** 2 / squares[filled]
    bounds = np.array([wilson_interval(s * n, n) for s, n in zip(share, effective, strict=True)])
    unit_square(axis)
    axis.bar(
        middle, share, width=0.92 / BINS, color=SKY, edgecolor=BLUE, linewidth=0.6, label=f"{asked.answered}, 95 %"
    )
    spread = np.abs(bounds.T - share)
    axis.errorbar(middle, share, yerr=spread, fmt="none", ecolor=INK, elinewidth=1, capsize=2)
    axis.plot(
        p[filled] / count[filled],
        share,
        linestyle="none",
        marker="o",
        markersize=4,
        color=VERMILLION,
        label="mean probability",
    )
    axis.set(xlabel=asked.asked, ylabel=asked.answered)
    legend(axis, "upper left")


def draw_corp(axis: Axes, judged: Judged, asked: Question) -> None:
    """The isotonic curve with the 90 % band of a calibrated model, and where the probabilities lie."""
    curve = corp_curve(asked.p, asked.y, judged.sample_weight)
    unit_square(axis)
    axis.fill_between(
        curve.grid, curve.low, curve.high, color=GREY, alpha=0.35, linewidth=0, label="calibrated model, 90 %"
    )
    axis.plot(curve.p, curve.fit, color=BLUE, linewidth=2, label=f"isotonic fit (CORP), MCB {curve.miscalibration:.4f}")
    counts, edges = np.histogram(asked.p, bins=50, range=(0, 1), weights=judged.sample_weight)
    axis.bar(edges[:-1], 0.12 * counts / counts.max(), width=0.02, align="edge", color=VERMILLION, alpha=0.8, zorder=0)
    axis.set(xlabel=asked.asked, ylabel=asked.answered)
    legend(axis, "upper left")


def draw_all_classes(axis: Axes, judged: Judged, names: tuple[str, ...] = ()) -> None:
    """A CORP curve a class, the worst ones in colour."""
    curves = []
    for k in range(judged.num_classes):
        asked = question(judged, k)
        curves.append(_line(asked, judged))
    worst = np.argsort([-curve[2] for curve in curves], kind="stable")[:MOST_CLASSES]
    unit_square(axis)
    for k, (p, fit, _) in enumerate(curves):
        if k not in worst:
            axis.plot(p, fit, color=GREY, linewidth=0.6, alpha=0.6, zorder=1)
    for (colour, dashes, marker), k in zip(SERIES, sorted(worst.tolist()), strict=False):
        p, fit, removed = curves[k]
        name = names[k] if names else f"class {k}"
        axis.plot(
            p,
            fit,
            color=colour,
            linestyle=dashes,
            marker=marker,
            markevery=max(1, len(p) // 8),
            markersize=4,
            linewidth=1.6,
            label=f"{name} (MCB {removed:.4f})",
        )
    axis.set(xlabel="probability of the class", ylabel="share of the class")
    if judged.num_classes > MOST_CLASSES:
        axis.text(0.99, 0.02, f"grey: {judged.num_classes - MOST_CLASSES} others", ha="right", fontsize=8, color=INK)
    legend(axis, "upper left")


def _line(asked: Question, judged: Judged) -> tuple[Floats, Floats, float]:
    """The curve of one class and its MCB, without a band."""
    values, place, fit = isotonic(asked.p, asked.y, judged.sample_weight)
    own = np.ones(judged.n) if judged.sample_weight is None else judged.sample_weight
    removed = ((asked.p - asked.y) ** 2 - (fit[place] - asked.y) ** 2) @ own / own.sum()
    return *level_ends(values, fit), float(removed)


def draw_confidence(axis: Axes, judged: Judged) -> None:
    """How many right and wrong predictions have each confidence, with their means."""
    right, weights = judged.is_correct, judged.sample_weight
    parts = [np.minimum(judged.confidence, 1.0)[right], np.minimum(judged.confidence, 1.0)[~right]]
    of_parts = None if weights is None else [weights[right], weights[~right]]
    axis.hist(
        parts,
        bins=30,
        range=(0, 1),
        weights=of_parts,
        stacked=True,
        color=[SKY, VERMILLION],
        edgecolor="white",
        linewidth=0.4,
        label=["right", "wrong"],
    )
    for bars in axis.containers[1:2]:
        for bar in bars:
            bar.set_hatch("////")
    mean = judged.top_sums.confidence / (judged.n if weights is None else weights.sum())
    accuracy = judged.top_sums.correct / (judged.n if weights is None else weights.sum())
    axis.axvline(mean, color=INK, linewidth=1.4, linestyle="-", label=f"mean confidence {100 * mean:.1f} %")
    axis.axvline(accuracy, color=INK, linewidth=1.4, linestyle=(0, (4, 3)), label=f"accuracy {100 * accuracy:.1f} %")
    axis.set(xlabel="confidence", ylabel="samples", xlim=(0, 1))
    legend(axis, "upper left")
