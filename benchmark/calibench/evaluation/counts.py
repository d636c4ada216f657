"""Predicted and observed counts: of right answers, of each class, and of each label, as standardised differences.

The predicted count is a sum of probabilities. If the model is calibrated, the observed count is Poisson-binomial with that
mean and the variance `sum p (1 - p)`. Of weighted samples counts are sums of weights, with the variance `sum w^2 p (1 - p)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from calibench.evaluation.finding import Compared
from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.class_bins import class_bins, label_counts
from calibench.metrics.floor_counts import FloorCounts, LabelsInBins, RightInCells
from calibench.metrics.has_draws import HasDraws
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once, times_weight, total_of
from calibench.metrics.label_answers import labels_by_sample
from calibench.metrics.weighted import weighted_sums

BINS = 15


class Counts(HasDraws, ABC):
    """J counts with their expectations. `z` is the signed difference in standard deviations, corrected for skew.

    `z = sign(O - E) sqrt(2 (O ln(O / E) - O + E) E / V)`, the signed root of the Poisson deviance at the variance V. Its
    largest magnitude over J counts then is not the matter of the rarest count alone. Where V = 0, any difference is infinite.
    """

    def __init__(self, judged: Judged) -> None:
        self.expected, self.variance = self.moments(judged)

    @abstractmethod
    def moments(self, judged: Judged) -> tuple[Floats, Floats]:
        """Mean and variance of each count, `[J]` each."""

    @abstractmethod
    def count(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """The counts `[D, J]` of D sets of labels `[D, N]`."""

    def observed(self, judged: Judged) -> Floats:
        """The counts in the data, `[J]`."""
        labels = judged.labels[None, :]
        counts: Floats = self.count(judged, labels == judged.prediction, labels)[0]
        return counts

    def compared(self, judged: Judged) -> Compared:
        """The counts as predicted and as observed."""
        error = np.sqrt(self.variance)
        return Compared(self.expected, self.observed(judged), error, total_of(judged) / judged.labels_per_sample)

    def distances(self, judged: Judged) -> Floats:
        """`|z|` in the data, `[J]`."""
        return np.abs(self.z(self.observed(judged)))

    def z(self, counts: Floats) -> Floats:
        """The standardised differences of `counts [..., J]`."""
        expected, variance = self.expected, self.variance
        safe, difference = np.where(expected > 0, expected, 1), counts - expected
        with np.errstate(over="ignore"):  # a probability of 1e-300 makes an infinite difference of one sample
            logs = np.where(counts > 0, counts * np.log(np.where(counts > 0, counts, 1) / safe), 0)
            deviance = np.maximum(2 * (logs - difference), 0)
            root = np.sqrt(deviance * expected / np.where(variance > 0, variance, 1))
        certain = np.where(np.abs(difference) > 1e-9 * np.maximum(expected, 1), np.inf, 0)
        z: Floats = np.copysign(np.where(variance > 0, root, certain), difference)
        return z

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """`|z|` in each draw, `[D, J]`."""
        return np.abs(self.z(self.count(judged, correct, labels)))

    def floor_of_counts(self, judged: Judged, counts: Floats | Ints) -> Floats:
        """`|z|` in each draw, `[D, J]`, of counts `[J M, D]`, of which M add up to one."""
        return np.abs(self.z(counts.reshape(len(self.expected), -1, counts.shape[1]).sum(axis=1).T))


class RightAnswers(Counts):
    """The number of right predictions, against the sum of confidences."""

    def moments(self, judged: Judged) -> tuple[Floats, Floats]:
        """Of a sum of Bernoulli variables with the confidences as probabilities."""
        return np.array([judged.top_sums.confidence]), np.array([judged.top_sums.variance])

    def observed(self, judged: Judged) -> Floats:
        """The number in the data."""
        return np.array([judged.top_sums.correct])

    def count(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """One count a draw."""
        return weighted_sums(correct.astype(np.float64), once(judged)[0])[:, None]

    def floor_counts(self, judged: Judged) -> FloorCounts:
        """All samples lie in one cell."""
        return RightInCells(np.zeros(judged.n, dtype=np.int64), 1)


class ClassCounts(Counts):
    """The number of samples of each class, against the sum of its probabilities."""

    def moments(self, judged: Judged) -> tuple[Floats, Floats]:
        """Of each class."""
        if judged.sample_weight is not None:
            expected = times_weight(judged, judged.probs.T)
            return expected.sum(axis=1), times_weight(judged, expected * (1 - judged.probs.T)).sum(axis=1)
        table = class_bins(judged, BINS)
        expected, squares = table.p_sums.sum(axis=1), table.square_sums.sum(axis=1)
        return expected, np.maximum(expected - squares, 0)

    def observed(self, judged: Judged) -> Floats:
        """The number of samples of each class, or the sum of their weights."""
        return label_counts(judged) if judged.sample_weight is None else super().observed(judged)

    def floor_counts(self, judged: Judged) -> FloorCounts:
        """Labels in the bins of each class; the bins of a class add up to it, and the class-wise ECE counts them too."""
        return LabelsInBins(BINS)

    def count(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """K counts a draw."""
        draws, classes = len(labels), judged.num_classes
        cells = (labels + classes * np.arange(draws)[:, None]).ravel()
        weights = None if judged.sample_weight is None else np.tile(judged.sample_weight, draws)
        return np.bincount(cells, weights, draws * classes).reshape(draws, classes).astype(np.float64)


class LabelCounts(Counts):
    """Where samples have several labels: the number of samples with each label, against the sum of its probabilities."""

    def moments(self, judged: Judged) -> tuple[Floats, Floats]:
        """Of each label."""
        p = judged.probs[:, 1]
        expected = times_weight(judged, p)
        variance, shape = times_weight(judged, expected * (1 - p)), labels_by_sample(judged).shape
        return expected.reshape(shape).sum(axis=0), variance.reshape(shape).sum(axis=0)

    def count(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """Q counts a draw."""
        by_label = times_weight(judged, labels).reshape(len(labels), -1, judged.labels_per_sample)
        return np.asarray(by_label.sum(axis=1, dtype=np.float64))
