"""ECCE: the estimated cumulative calibration error of a group, and its ratio to sigma, which tells groups of any size apart.

`C_j = 1/N sum over samples up to the j-th probability of (p - y)`, `ECCE = max C - min C` with C_0 = 0, and
`sigma = sqrt(sum p (1 - p)) / N`. Of two classes p is the probability of class 1 and y tells whether it is the label; of more, p
is the confidence and y tells whether the prediction is right. The largest ratio `ECCE / sigma` over groups measures
multicalibration: Guy, Haimovich, Linder, Okati, Perini, Tax & Tygert 2025, arXiv 2506.11251.
"""

from __future__ import annotations

from functools import cached_property

from calibench.evaluation.finding import Compared
from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.floor_counts import RightInCells
from calibench.metrics.has_draws import HasDraws
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once, times_weight, total_of

CELLS = 64
"""For the test, the cumulative sum is read at so many places at most; a group of fewer samples is read at each of them."""


class ECCE(HasDraws):
    """ECCE of one set of samples, with the cells in which drawn labels are counted."""

    def __init__(self, judged: Judged) -> None:
        self.judged = judged
        self.of_class_1 = judged.num_classes == 2
        p = judged.probs_of(1) if self.of_class_1 else np.minimum(judged.confidence, 1.0)
        said_yes = judged.prediction == 1 if self.of_class_1 else np.ones(judged.n, dtype=bool)
        self.order = np.lexsort((said_yes, p))
        """The samples from the smallest to the largest p. A prediction of class 1 comes last among equals."""
        self.p, self.said_yes = p, said_yes
        ranked = p[self.order]
        self.ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        self.sigma = float(np.sqrt(times_weight(judged, times_weight(judged, p * (1 - p))).sum())) / total_of(judged)

    @property
    def value(self) -> float:
        """The range of the cumulative differences over all samples, a fraction; equal probabilities are added together."""
        y = self.judged.labels == 1 if self.of_class_1 else self.judged.is_correct
        gaps = times_weight(self.judged, self.p - y)[self.order]
        sums = gaps.cumsum()[self.ends] / total_of(self.judged)
        return float(max(sums.max(), 0.0) - min(sums.min(), 0.0))

    @property
    def ratio(self) -> float:
        """`ECCE / sigma`; 0 where both are 0."""
        return float(_ratio(np.array(self.value), self.sigma))

    @cached_property
    def _cells(self) -> Ints:
        """The cell of each sample, `[N]`: runs of samples in the order of p, cut where the prediction changes."""
        n = self.judged.n
        run = np.zeros(n, dtype=np.int64)
        run[self.ends[:-1] + 1] = 1
        run = run.cumsum()
        if len(self.ends) > CELLS:
            run = (self.ends[run] * CELLS) // n
        code = run * 2 + self.said_yes[self.order]
        cells = np.empty(n, dtype=np.int64)
        cells[self.order] = np.cumsum(np.append(False, code[1:] != code[:-1]))
        return cells

    def floor_counts(self, judged: Judged) -> RightInCells:
        """Right predictions in each cell."""
        return RightInCells(self._cells, int(self._cells.max()) + 1)

    def floor_of_counts(self, judged: Judged, counts: Floats | Ints) -> Floats:
        """`ECCE / sigma`, read at the ends of cells, of right predictions `[C, D]`: `[D]`."""
        cells, size = self._cells, len(counts)
        weight = once(judged)[0]
        total, expected = (np.bincount(cells, values, size) for values in (weight, weight * self.p))
        yes = np.zeros(size, dtype=bool)
        yes[cells] = self.said_yes
        # A right prediction of class 0 is a label that is not class 1.
        gaps = np.where(yes[:, None], expected[:, None] - counts, expected[:, None] - total[:, None] + counts)
        sums = gaps.cumsum(axis=0) / total_of(judged)
        return _ratio(sums.max(axis=0, initial=0.0) - sums.min(axis=0, initial=0.0), self.sigma)

    def observed(self, judged: Judged) -> Floats:
        """The same of the labels themselves, `[1]`."""
        counts = self.floor_counts(judged).of_labels(judged, judged.is_correct[None, :], judged.labels[None, :])
        return self.floor_of_counts(judged, counts)

    def compared(self) -> Compared:
        """The samples that say yes, as predicted and as observed, with sigma as the error of their difference."""
        y = self.judged.labels == 1 if self.of_class_1 else self.judged.is_correct
        predicted, observed = (
            times_weight(self.judged, values).sum(keepdims=True) for values in (self.p, np.asarray(y, dtype=np.float64))
        )
        total = total_of(self.judged)
        return Compared(predicted, observed, np.array([self.sigma * total]), total)


def _ratio(ecce: Floats, sigma: float) -> Floats:
    """`ecce / sigma`; without sigma, 0 for an error of 0 and infinite for others."""
    certain = np.where(ecce > 1e-12, np.inf, 0.0)
    return ecce / sigma if sigma > 0 else certain
