"""Class-wise calibration error: the probability of every class is judged, not only that of the predicted class."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints, bin_index, check_bins
from calibench.metrics.calibration_error import expected_calibration_error
from calibench.metrics.class_bins import class_bins, class_gaps, label_gap_sizes, resampled_class_errors
from calibench.metrics.floor_counts import LabelsInBins
from calibench.metrics.gap_cells import ClassCells, TopCells
from calibench.metrics.gap_figure import ClasswiseFigure, GapFigure, TopFigure
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once, total_of
from calibench.metrics.metric import Metric
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.resamples import Resamples
from calibench.metrics.sample_weight import nonzero
from calibench.metrics.top_figure import too_few_of_a_class
from calibench.metrics.weighted_class_bins import class_sums, weighted_class_gaps
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
    order_only=True,
    estimand="the error of the population under these bins of every class",
)


UNEXPLAINED = NoInterval("probabilities are so close to 0 and 1 that they do not say which labels could be wrong")


class ClasswiseECE(Metric):
    """`mean over classes k of sum over bins of n_kb / N * |mean p_k - mean [label = k]|`, a fraction.

    Each class has M equal-width bins of p_k, `(lo, hi]`, the first closed at 0. Kull's printed tables are the sum over
    classes, K times this. Source: Kull et al. 2019, "Beyond temperature scaling".
    """

    bias_corrected = True
    takes_weights = True

    def __init__(self, bins: int = 15) -> None:
        self.bins = check_bins(bins)

    def value(self, judged: Judged) -> float:
        """The figure of all samples."""
        if judged.sample_weight is not None:
            return float(self.resampled(judged, once(judged))[0])
        return float(
            expected_calibration_error(class_gaps(judged, self.bins), judged.n * judged.num_classes, axis=(0, 1))
        )

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Probabilities fix the bins."""
        gaps, total = weighted_class_gaps(judged, weights, self.bins), weights.sum(axis=1)
        return expected_calibration_error(gaps, total * judged.num_classes, axis=(1, 2))

    def of_resamples(self, judged: Judged, resamples: Resamples) -> Floats:
        """Probabilities fix the bins; `class_bins.py` sums the weighted gaps of each class and bin."""
        if judged.sample_weight is not None:
            return super().of_resamples(judged, resamples)
        sums = resampled_class_errors(judged, resamples, self.bins)
        errors: Floats = sums / (nonzero(resamples.total) * judged.num_classes)
        return errors

    def gap_figure(self, judged: Judged) -> GapFigure | NoInterval:
        """The same of gap sums. Of two classes each has the gaps of the other, so one is enough."""
        few = too_few_of_a_class(judged)
        if few is not None:
            return few
        if judged.num_classes == 2:
            p = judged.probs_of(1)
            y = (judged.labels == 1).astype(np.float64)
            of_one = TopCells(p, y, bin_index(p, self.bins), weights=judged.sample_weight)
            return TopFigure(of_one, lambda sums: expected_calibration_error(sums, total_of(judged)))
        if judged.sample_weight is not None:
            return NoInterval("the noise of weighted labels in the bins of more than two classes is not known")
        total = judged.n * judged.num_classes
        cells = ClassCells(judged, self.bins)
        if not cells.redrawn.explains():
            return UNEXPLAINED
        return ClasswiseFigure(cells, total)

    def floor_counts(self, judged: Judged) -> LabelsInBins:
        """Labels in each bin of every class: label i is drawn from p_i."""
        return LabelsInBins(self.bins)

    def floor_of_counts(self, judged: Judged, counts: Floats | Ints) -> Floats:
        """The figure of labels `[K M, D]`; the sums of p per class and bin stay."""
        if judged.sample_weight is not None:
            gaps: Floats = class_sums(judged, self.bins).p.reshape(-1, 1) - counts
            return expected_calibration_error(gaps, total_of(judged) * judged.num_classes, axis=0)
        p_sums = class_bins(judged, self.bins).p_sums.ravel()
        sizes = label_gap_sizes(p_sums, np.ones_like(p_sums), counts)
        errors: Floats = sizes / (judged.n * judged.num_classes)
        return errors
