"""Root mean square calibration error of the top label, over bins of equal mass or of equal width."""

from __future__ import annotations

from calibench.errors import InputError
from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints, check_bins
from calibench.metrics.ece_equal_mass import shares_of_weight
from calibench.metrics.equal_mass import range_gap_sums, tie_starts
from calibench.metrics.equal_width import EqualWidthMetric
from calibench.metrics.floor_counts import FloorCounts
from calibench.metrics.gap_figure import GapFigure
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import draws_of, once
from calibench.metrics.metric import Metric
from calibench.metrics.no_interval import BIASED, NoInterval
from calibench.metrics.sample_weight import nonzero
from calibench.metrics.top_figure import rms_figure
from calibench.metrics.weighted_metric import WeightedMetric
from calibench.plugins.params import Param
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="rms_ce",
    place=330,
    summary="Root mean square calibration error, top label, bins of 100 samples or of equal width.",
    target=f"{__name__}:RmsCE",
    params=(
        Param("bins", "str", "mass", "bins of equally many samples, or of equal width", choices=("mass", "width")),
        Param("size", "int", 100, "samples in a bin of equal mass", "samples", minimum=1),
        Param("number", "int", 15, "the number of bins of equal width", minimum=1),
        Param(
            "like",
            "str",
            None,
            "hle: leave out the last bin of equal mass, as the code of Humanity's Last Exam does",
            choices=("hle",),
        ),
    ),
    equation="sqrt(sum_b n_b / N (conf_b - acc_b)^2)",
    paper="Hendrycks, Mazeika & Dietterich 2019, arXiv:1812.04606",
    deviations=(
        "All bins count. The authors' function `calib_err`, which Humanity's Last Exam copied, leaves out the last bin, "
        "with the most confident samples: `like=hle` does the same.",
        "A bin that ends between equal confidences takes an equal share of each; with `like=hle` the order of the file "
        "decides.",
    ),
    order_only=True,
    estimand="the root mean square error of the population under the bins of this sample",
    optional=True,
)


class RmsCE(Metric):
    """`sqrt(sum over bins of n_b / N * (conf_b - acc_b)^2)` of the predicted class, a fraction.

    `bins="mass"`: samples are ranked by confidence and split into `N // size` bins of `size` samples (at least one bin);
    the last bin also holds the rest. `bins="width"`: `number` bins as in `ECE`.
    `like="hle"` is the figure of the copied `calib_err`: the last bin adds 0 but counts in N, and equal confidences stay in
    the order of the file. Then one bin gives 0, and fewer samples than `size` give NaN, where that code fails.
    Source: Hendrycks, Mazeika & Dietterich 2019, "Deep anomaly detection with outlier exposure".
    """

    of_top_label = True
    bias_corrected = True
    takes_weights = True

    def __init__(self, bins: str = "mass", size: int = 100, number: int = 15, like: str | None = None) -> None:
        if bins == "width" and like is not None:
            raise InputError(f"like={like} has bins of equal mass", "leave out bins=width")
        self.of_bins: Metric = EqualWidthRms(number) if bins == "width" else EqualMassRms(size, like == "hle")

    def value(self, judged: Judged) -> float:
        """The figure of all samples."""
        return self.of_bins.value(judged)

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Bins of equal mass are split anew in each resample, bins of equal width stay."""
        return self.of_bins.resampled(judged, weights)

    def gap_figure(self, judged: Judged) -> GapFigure | NoInterval:
        """That of the bins; none if a bin is left out."""
        return self.of_bins.gap_figure(judged)

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats | None:
        """The figure if sample i is correct with probability confidence_i; the bins stay."""
        return self.of_bins.floor_draws(judged, correct, labels)

    def floor_counts(self, judged: Judged) -> FloorCounts | None:
        """Those of bins of equal width, which stay."""
        return self.of_bins.floor_counts(judged)

    def floor_of_counts(self, judged: Judged, counts: Floats | Ints) -> Floats:
        """The figure of each draw."""
        return self.of_bins.floor_of_counts(judged, counts)


class EqualWidthRms(EqualWidthMetric):
    """The figure over M equal-width bins."""

    def error(self, gap_sums: Floats, counts: Floats) -> Floats:
        """The figure from gap sums and counts."""
        return _root_mean_square(gap_sums, counts, counts.sum(axis=-1))

    def gap_figure(self, judged: Judged) -> GapFigure | NoInterval:
        """The same of gap sums: counts do not change."""
        return rms_figure(judged, judged.bin_index(self.bins))


class EqualMassRms(WeightedMetric):
    """The figure over bins of `size` samples, without the last bin if `last_left_out`."""

    takes_weights = True

    def __init__(self, size: int = 100, last_left_out: bool = False) -> None:
        self.size, self.last_left_out = check_bins(size), last_left_out

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Each resample is split anew; the order of the confidences stays."""
        order, starts = self._ranked(judged)
        gap = (judged.confidence - judged.correct)[order]
        counts = draws_of(judged, weights).sum(axis=1)
        rows = zip(weights, counts, strict=True)
        return np.array([self._error(row[order], int(count), gap, starts) for row, count in rows])

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats | None:
        """The figure if sample i is correct with probability confidence_i; None if it is undefined."""
        weight = once(judged)[0]
        count = int((weight > 0).sum())
        if self.last_left_out and count < self.size:
            return None
        order, starts = self._ranked(judged)
        confidence, weight = judged.confidence[order], weight[order]
        return np.array([self._error(weight, count, confidence - row[order], starts) for row in correct])

    def gap_figure(self, judged: Judged) -> GapFigure | NoInterval:
        """The same of gap sums: the bins stay, and equal confidences are split in the order of the file."""
        if self.last_left_out:
            return BIASED
        order, _ = self._ranked(judged)
        if judged.sample_weight is not None:
            count = int((judged.sample_weight > 0).sum())
            ends = np.append(np.arange(max(count // self.size, 1)) * self.size, count)
            return rms_figure(judged, shares_of_weight(judged, ends))
        bins = np.empty(judged.n, dtype=np.int64)
        bins[order] = np.minimum(np.arange(judged.n) // self.size, max(judged.n // self.size, 1) - 1)
        return rms_figure(judged, bins)

    def _ranked(self, judged: Judged) -> tuple[Ints, Ints | None]:
        """Samples from least to most confident, `[N]`, and where runs of equal confidences start."""
        order = judged.by_confidence
        return order, None if self.last_left_out else tie_starts(judged.confidence[order])

    def _error(self, weight: Floats, count: int, gap: Floats, starts: Ints | None) -> float:
        """The figure of `count` samples, counted with their copies, that have `weight [N]` in all. Bins share all weight."""
        total = float(weight.sum())
        whole = count // self.size
        if self.last_left_out and not whole:
            return float("nan")
        ends = np.append(np.arange(max(whole, 1)) * self.size * (total / count), total)
        gap_sums, counts = range_gap_sums(weight, gap, starts, ends), np.diff(ends)
        if self.last_left_out:
            gap_sums, counts = gap_sums[:-1], counts[:-1]
        return float(_root_mean_square(gap_sums, counts, total))


def _root_mean_square(gap_sums: Floats, counts: Floats, total: Floats | float) -> Floats:
    """`sqrt(sum over bins of gap_sum^2 / n_b / N)`; the bins are along the last axis, and an empty bin adds 0."""
    root: Floats = np.sqrt((gap_sums**2 / nonzero(counts)).sum(axis=-1) / total)
    return root
