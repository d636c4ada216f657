"""Class-wise calibration error: every class's probability is judged, not only the predicted one's."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints, bin_index, check_bins
from calibench.metrics.class_bins import class_bins, class_gaps
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="classwise_ece15",
    place=80,
    summary="Class-wise expected calibration error, 15 equal-width bins, mean over classes.",
    target=f"{__name__}:ClasswiseECE",
    options={"bins": 15},
    equation="1/K sum_k sum_b n_kb / N |mean p_k - mean [y = k]|",
    paper="Kull et al. 2019, arXiv:1910.12656",
    deviations=("Kull's printed tables are the sum over classes, K times this.",),
)


class ClasswiseECE(Metric):
    """`mean over classes k of sum over bins of n_kb / N * |mean p_k - mean [label = k]|`, a fraction.

    Each class has M equal-width bins of p_k, `(lo, hi]`, the first closed at 0. Kull's printed tables are the sum over
    the classes, K times this. Source: Kull et al. 2019, "ShiftAndOod temperature scaling".
    """

    bias_corrected = True

    def __init__(self, bins: int = 15) -> None:
        self.bins = check_bins(bins)

    def value(self, judged: Judged) -> float:
        """The figure over all samples."""
        return float(self.resampled(judged, np.ones((1, judged.n)))[0])

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Bins are fixed by the probabilities; the weighted gaps per class and bin come from `class_bins.py`."""
        gaps = class_gaps(judged, weights, self.bins)
        mean: Floats = np.abs(gaps).sum(axis=(1, 2)) / (weights.sum(axis=1) * judged.num_classes)
        return mean

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """The figure when label i is drawn from p_i: sums of p per class and bin stay, only label counts vary."""
        table, probs = class_bins(judged, self.bins), judged.probs
        expected = judged.memo(
            ("class_expected", self.bins), lambda: table.complete(table.p, probs.sum(axis=0)).ravel()
        )
        rows = np.arange(judged.n)
        draws = np.empty(len(labels))
        for d, label in enumerate(labels):
            cell = label * self.bins + bin_index(probs[rows, label], self.bins)
            draws[d] = np.abs(expected - np.bincount(cell, minlength=expected.size)).sum()
        return draws / (judged.n * judged.num_classes)
