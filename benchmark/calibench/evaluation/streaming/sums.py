"""Sums: everything that figures of one pass are made of, added up block by block."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Hashable, Mapping
from typing import Any

from calibench.evaluation.streaming.streamed_judged import ClassSums, StreamedJudged, TopBins
from calibench.evaluation.streaming.totals import Moments, Totals
from calibench.evaluation.warnings import CLIP, as_logits_warning, clipped_warning, rows_are_probabilities
from calibench.lazy import np
from calibench.metrics.bin_sums import BinSums, bin_sums
from calibench.metrics.binning import Floats
from calibench.metrics.class_bins import class_bins, label_counts
from calibench.metrics.ece import ECE
from calibench.metrics.judged import Judged, TopSums
from calibench.metrics.sample_mean import SampleMean
from calibench.outputs.outputs import refuse_one_class
from calibench.outputs.stored_outputs import outputs_of

BINS = 15
"""Of the verdict, the reliability diagram, and the ECE in a warning."""


class Sums:
    """Sums over samples: in `bins` of the confidence, in `of_classes` bins of every class, and of each of the `means`."""

    def __init__(
        self, num_classes: int, bins: Collection[int], of_classes: Collection[int], means: Mapping[str, SampleMean]
    ) -> None:
        self.num_classes, self.means = num_classes, means
        self.bins, self.of_classes = sorted({BINS, *bins}), sorted(set(of_classes))
        self.moments = {name: Moments() for name in means}
        self.n = 0
        self.from_probs = False
        self._totals, self._as_probs = Totals(), Totals()
        self._may_be_probs = True
        self._labels = hashlib.sha256()

    def add(self, judged: Judged) -> None:
        """Add the samples of a block."""
        totals = self._totals
        self.n += judged.n
        self.from_probs = judged.from_probs
        self._labels.update(judged.labels.tobytes())
        totals.add("top", np.array(judged.top_sums))
        totals.add("losses", np.array([judged.nll.sum(), judged.brier.sum()]))
        totals.add("labels", label_counts(judged))
        totals.add("clipped", np.array(float((judged.label_probs < CLIP).sum()) if judged.from_probs else 0.0))
        for bins in self.bins:
            totals.add(("bins", bins), _in_bins(judged, bins))
        for bins in self.of_classes:
            totals.add(("classes", bins), _in_class_bins(judged, bins))
        for name, metric in self.means.items():
            self.moments[name].add(metric.numbers(judged).astype(np.float64, copy=False))
        self._look_for_probabilities(judged)

    def _look_for_probabilities(self, judged: Judged) -> None:
        """While all logits so far could be probabilities, add up their ECE as such."""
        self._may_be_probs = self._may_be_probs and not judged.from_probs and rows_are_probabilities(judged.scores)
        if self._may_be_probs:
            as_probs = Judged(outputs_of(judged.scores, True), judged.labels)
            self._as_probs.add("bins", _in_bins(as_probs, BINS))

    @property
    def clipped(self) -> int:
        """The number of probabilities of the true class below 1e-12; 0 of logits."""
        return int(self._totals["clipped"])

    @property
    def labels_digest(self) -> str:
        """SHA-256 of all labels in their order."""
        return self._labels.hexdigest()

    def top_bins(self, bins: int) -> TopBins:
        """The sums in M bins of the confidence."""
        _, _, y, count, p, variance = self._totals["bins", bins]
        return TopBins(count, p, variance, y)

    def class_sums(self, bins: int) -> ClassSums:
        """The sums in M bins of every class."""
        return ClassSums(*self._totals["classes", bins])

    def finish(self, where: str) -> StreamedJudged:
        """The samples, as far as sums tell of them. InputError naming the file if all labels are one class."""
        labels = self._totals["labels"]
        if self.n > 1 and labels.max() == self.n:
            refuse_one_class(self.n, int(labels.argmax()), where)
        memo: dict[Hashable, Any] = {"label_counts": labels, "warnings": self._warnings()}
        for bins in self.bins:
            memo["bin_sums", bins] = BinSums(*self._totals["bins", bins][:4])
            memo["stats", bins] = self._stats(bins)
        for bins in self.of_classes:
            memo["class_bins", bins] = self.class_sums(bins)
        top = TopSums(*map(float, self._totals["top"]))
        return StreamedJudged(self.n, self.num_classes, self.from_probs, top, memo)

    def _stats(self, bins: int) -> Any:
        from calibench.kernels import CalibrationStats

        coarse, fine, correct, count, _, _ = self._totals["bins", bins]
        nll, brier = self._totals["losses"]
        values = (count, coarse + fine, correct, nll, brier, correct.sum(), float(self.n))
        return CalibrationStats(*(np.array(value, dtype=np.float64) for value in values))

    def _warnings(self) -> list[str]:
        found = [clipped_warning(self.clipped, self.n)]
        if self._may_be_probs:
            ece = ECE(BINS)
            sums = BinSums(*self._as_probs["bins"][:4])
            found.append(as_logits_warning(float(ece.of_sums(sums))))
        return [text for text in found if text]


def _in_bins(judged: Judged, bins: int) -> Floats:
    """`[6, M]`: the four `BinSums`, then the sums of c and c (1 - c) with the confidence c at most 1."""
    index, sums, c = judged.bin_index(bins), bin_sums(judged, bins), np.minimum(judged.confidence, 1.0)
    p, variance = (np.bincount(index, weights=values, minlength=bins) for values in (c, c * (1 - c)))
    return np.stack([sums.coarse, sums.fine, sums.correct, sums.count, p, variance])


def _in_class_bins(judged: Judged, bins: int) -> Floats:
    """`[5, K, M]`: the fields of `ClassSums`."""
    table, probs = class_bins(judged, bins), judged.label_probs
    of_label = np.bincount(judged.labels, weights=probs, minlength=judged.num_classes).astype(np.float64)
    outcomes, products = table.label_sums(label_counts(judged)), table.label_sums(of_label, probs)
    return np.stack([table.counts, table.p_sums, table.square_sums, outcomes, products])
