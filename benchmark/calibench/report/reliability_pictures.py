"""Reliability diagrams of the top label and of a class, in bins and as CORP curves; confidences."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Floats, bin_index
from calibench.metrics.corp_curve import corp_curve
from calibench.metrics.judged import Judged
from calibench.metrics.mean_interval import wilson_interval
from calibench.report.plot_style import BLUE, GREY, INK, SKY, VERMILLION, interval_dots, short, unit_square

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 15

HIGHEST = 0.12
"""The height of the highest bar of the small histogram."""


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
    name = short(names[of_class]) if names else str(of_class)
    y = (judged.labels == of_class).astype(np.float64)
    return Question(judged.probs_of(of_class), y, f"probability of class {name}", f"share of class {name}")


class Bins(NamedTuple):
    """The bins that hold samples: their middles, weights, effective numbers of samples, mean probabilities and shares of yes."""

    middle: Floats
    weight: Floats
    effective: Floats
    p: Floats
    share: Floats


def bins_of(asked: Question, judged: Judged) -> Bins:
    """The answers in 15 bins of equal width."""
    weights = np.ones(judged.n) if judged.sample_weight is None else judged.sample_weight
    index = bin_index(asked.p, BINS)
    weight, squares, p, y = (
        np.bincount(index, values, BINS) for values in (weights, weights**2, weights * asked.p, weights * asked.y)
    )
    filled = np.flatnonzero(weight > 0)
    own: Floats = np.asarray(weight[filled], dtype=np.float64)
    return Bins((filled + 0.5) / BINS, own, own**2 / squares[filled], p[filled] / own, y[filled] / own)


def draw_bins(axis: Axes, judged: Judged, asked: Question) -> None:
    """The share of yes in each of 15 bins, at the mean probability with its Wilson 95 % interval; where samples lie."""
    bins = bins_of(asked, judged)
    bounds = np.array([wilson_interval(s * n, n) for s, n in zip(bins.share, bins.effective, strict=True)])
    unit_square(axis)
    axis.bar(bins.middle, bins.share, width=0.92 / BINS, color=SKY, edgecolor=BLUE, linewidth=0.5, label=asked.answered)
    interval_dots(axis, bins.p, bins.share, np.abs(bounds.T - bins.share), "95 %, at mean probability")
    _where_samples_lie(axis, judged, asked, BINS)
    axis.set(xlabel=asked.asked, ylabel=asked.answered)


def draw_corp(axis: Axes, judged: Judged, asked: Question) -> None:
    """The isotonic curve with the 90 % band of a calibrated model, and where the probabilities lie."""
    curve = corp_curve(asked.p, asked.y, judged.sample_weight)
    unit_square(axis)
    axis.fill_between(
        curve.grid, curve.low, curve.high, color=GREY, alpha=0.35, linewidth=0, label="calibrated model, 90 %"
    )
    alone = len(curve.p) == 1  # a line of one point is not seen
    if alone:
        axis.plot([curve.p[0]] * 2, [curve.low[0], curve.high[0]], color=GREY, alpha=0.5, linewidth=5)
    axis.plot(
        curve.p,
        curve.fit,
        color=BLUE,
        linewidth=1.6,
        marker="o" if alone else None,
        clip_on=False,
        label=f"isotonic fit, MCB {curve.miscalibration:.4f}",
    )
    _where_samples_lie(axis, judged, asked, 50)
    axis.set(xlabel=asked.asked, ylabel=asked.answered)


def _where_samples_lie(axis: Axes, judged: Judged, asked: Question, bins: int) -> None:
    """A histogram of the probabilities at the foot of the axes, with the share of its highest bar."""
    counts = np.bincount(bin_index(asked.p, bins), judged.sample_weight, bins)
    share = counts / counts.sum()
    what = "samples" if judged.sample_weight is None else "weight"
    axis.bar(
        (np.arange(bins) + 0.5) / bins,
        HIGHEST * share / share.max(),
        width=0.5 / bins if bins == BINS else 1 / bins,
        color=INK,
        alpha=0.75,
        zorder=2,
        label=f"{what}, highest {100 * share.max():.0f} %",
    )


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
    for value, dashes, name in ((mean, "-", "mean confidence"), (accuracy, (0, (4, 3)), "accuracy")):
        axis.axvline(
            value, color=INK, linewidth=1.2, linestyle=dashes, clip_on=False, label=f"{name} {100 * value:.1f} %"
        )
    axis.set(xlabel="confidence", ylabel="samples" if weights is None else "weight of samples", xlim=(0, 1))
