"""Sums of weighted samples in the class-wise bins of `class_bins.py`: entries above bin 0 are added up, bin 0 is the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.class_bins import ClassBins, class_bins
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once, times_weight, total_of
from calibench.metrics.weighted import weighted_sums


@dataclass(frozen=True)
class ClassSums:
    """Weighted sums in each bin of each class, `[K, M]` each, where y is 1 if the label is the class."""

    count: Floats
    """The sum of the weights."""
    p: Floats
    square: Floats
    """The sum of p^2."""
    y: Floats
    product: Floats
    """The sum of p y."""


def class_sums(judged: Judged, bins: int) -> ClassSums:
    """The sums of all samples, in bins of p; without weights they are those of `ClassBins`."""
    return judged.memo(("class_sums", bins), lambda: _class_sums(judged, bins))


def _class_sums(judged: Judged, bins: int) -> ClassSums:
    table, classes = class_bins(judged, bins), judged.num_classes
    label_probs = judged.label_probs
    by_label = [_by_label(judged, times_weight(judged, values)) for values in (np.ones(judged.n), label_probs)]
    if judged.sample_weight is None:
        y, product = table.label_sums(by_label[0]), table.label_sums(by_label[1], label_probs)
        return ClassSums(table.counts, table.p_sums, table.square_sums, y, product)
    y = (table.gap <= 0).astype(np.float64)
    p, weight, cells = _entry_probs(judged, table), judged.sample_weight[table.row], table.cells
    p_totals, square_totals = (_column_sums(judged, power) for power in (1, 2))
    totals = np.full(classes, total_of(judged)), p_totals, square_totals, *by_label
    sums = []
    for values, total in zip((np.ones(len(p)), p, p * p, y, p * y), totals, strict=True):
        added: Floats = np.bincount(cells, weights=weight * values, minlength=classes * bins).astype(np.float64)
        by_class = added.reshape(classes, bins)
        by_class[:, 0] = total - by_class[:, 1:].sum(axis=1)
        sums.append(by_class)
    return ClassSums(*sums)


def _by_label(judged: Judged, values: Floats) -> Floats:
    """The sum of `values [N]` over the samples of each label, `[K]`."""
    return np.bincount(judged.labels, weights=values, minlength=judged.num_classes).astype(np.float64)


def _column_sums(judged: Judged, power: int) -> Floats:
    """The weighted sum of p^power of each class, `[K]`."""
    sums: Floats = weighted_sums(once(judged), judged.probs if power == 1 else judged.probs**power)[0]
    return sums


def weighted_class_gaps(judged: Judged, weights: Floats, bins: int) -> Floats:
    """The weighted sum of p - y in each bin of each class, `[B, K, M]`, for each row of `weights [B, N]`.

    It takes time in proportion to B N K, for the sums of p of each class.
    """
    members = judged.memo(("class_members", bins), lambda: _members(judged, class_bins(judged, bins)))
    gaps = np.ascontiguousarray((members @ np.ascontiguousarray(weights.T)).T)
    gaps = gaps.reshape(len(weights), judged.num_classes, bins)
    labels = np.stack([_by_label(judged, row) for row in weights])
    gaps[:, :, 0] = weighted_sums(weights, judged.probs) - labels - gaps[:, :, 1:].sum(axis=2)
    return gaps


def _members(judged: Judged, table: ClassBins) -> Any:
    """Sparse `[K M, N]`: the gap of each entry above bin 0."""
    from scipy.sparse import csr_array

    pointers = np.concatenate([[0], table.ends])
    gaps = _entry_probs(judged, table) - (table.gap <= 0)
    return csr_array((gaps, table.row, pointers), shape=(len(table.ends), table.samples))


def _entry_probs(judged: Judged, table: ClassBins) -> Floats:
    """The probability of each entry, `[E]`; the table has its gap to 2^-31 only."""
    probs: Floats = judged.probs[table.row, table.cells // table.bins]
    return probs
