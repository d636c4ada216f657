"""Expected calibration error of the whole probability vector, over cells of the simplex."""

from __future__ import annotations

from typing import NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints, bin_index, check_bins
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import total_of
from calibench.metrics.metric import Details
from calibench.metrics.weighted import grouped_sums, weighted_sums
from calibench.metrics.weighted_metric import WeightedMetric
from calibench.plugins.params import Param
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="ece_canonical",
    place=240,
    summary="Expected calibration error of the whole probability vector: total variation, 10 bins for each class.",
    target=f"{__name__}:CanonicalECE",
    params=(Param("bins", "int", 10, "the number of bins for each class", minimum=1),),
    equation="sum_c n_c / N 1/2 sum_k |mean p_k - mean [y = k]|",
    paper="Vaicenavicius et al. 2019, arXiv:1902.06977; Widmann, Lindsten & Zachariah 2019, arXiv:1910.11385",
    deviations=(
        "A cell c holds the samples with the same bin in each class.",
        "A sample alone in its cell adds 1 - p_y, calibrated or not: compare with the noise floor only.",
    ),
    rankable=False,
    estimand="none: no interval of this figure is known to cover the population value",
    optional=True,
)


class _Cells(NamedTuple):
    """The samples by cell. `gaps` is `p - one-hot of the label`; `cell [N]` numbers the C cells from 0."""

    cell: Ints
    alone: Ints
    """The samples that are alone in their cell, `[A]`."""
    distance: Floats
    """The total variation of each of them, `[A]`."""
    together: Ints
    """The other samples, cell by cell, `[N - A]`."""
    gaps: Floats
    """The gaps of those, `[N - A, K]`."""
    starts: Ints
    """Where each of their cells starts in `together`."""


class CanonicalECE(WeightedMetric):
    """`sum over occupied cells of n_c / N * 1/2 sum over k of |mean p_k - mean [label = k]|`, a fraction.

    Each class has M equal-width bins of p_k, `(lo, hi]`, the first closed at 0; a cell is a choice of one bin for each class.
    The distance is the total variation. With many classes most samples are alone in their cell, so even a calibrated model
    scores far above 0. Source: Vaicenavicius et al. 2019, "Evaluating model calibration in classification".
    """

    bias_corrected = True
    takes_weights = True

    def __init__(self, bins: int = 10) -> None:
        self.bins = check_bins(bins)

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Probabilities fix the cells; copies of a sample that is alone in its cell stay there."""
        cells = self._cells(judged)
        total = weighted_sums(weights[:, cells.alone], cells.distance)
        for gap_sums in grouped_sums(weights[:, cells.together], cells.gaps, cells.starts):
            total += np.abs(gap_sums).sum(axis=1) / 2
        figure: Floats = total / weights.sum(axis=1)
        return figure

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """The figure if label i is drawn from p_i. Only the classes that a cell's labels name change its distance."""
        cell, width = self._cells(judged).cell, judged.num_classes
        probs = judged.probs if judged.sample_weight is None else judged.probs * judged.sample_weight[:, None]
        p_sums = judged.memo(("cell_p_sums", self.bins), lambda: _sum_by_cell(probs, cell).ravel())
        draws = np.empty(len(labels))
        for draw, label in enumerate(labels):
            entry, place, count = np.unique(cell * width + label, return_inverse=True, return_counts=True)
            if judged.sample_weight is not None:
                count = np.bincount(place, weights=judged.sample_weight)
            draws[draw] = (np.abs(p_sums[entry] - count) - p_sums[entry]).sum()
        figure: Floats = (p_sums.sum() + draws) / (2 * total_of(judged))
        return figure

    def details(self, judged: Judged) -> Details:
        """`cells`, the number of occupied cells, and `alone`, the share of samples that are alone in theirs."""
        cells = self._cells(judged)
        return {"cells": int(cells.cell.max()) + 1, "alone": len(cells.alone) / judged.n}

    def _cells(self, judged: Judged) -> _Cells:
        return judged.memo(("canonical_cells", self.bins), lambda: _cells_of(judged, self.bins))


def _cells_of(judged: Judged, bins: int) -> _Cells:
    index = np.ascontiguousarray(bin_index(judged.probs, bins).astype(np.min_scalar_type(bins)))
    rows = index.view(np.dtype((np.void, index.dtype.itemsize * judged.num_classes))).ravel()
    _, cell, count = np.unique(rows, return_inverse=True, return_counts=True)
    gaps = judged.probs.copy()
    gaps[np.arange(judged.n), judged.labels] -= 1
    order = np.argsort(cell, kind="stable")
    size = count[cell[order]]
    alone, together = order[size == 1], order[size > 1]
    starts = np.concatenate([[0], count[count > 1].cumsum()[:-1]]) if len(together) else np.empty(0)
    distance = np.abs(gaps[alone]).sum(axis=1) / 2
    return _Cells(cell, alone, distance, together, gaps[together], starts.astype(np.int64))


def _sum_by_cell(values: Floats, cell: Ints) -> Floats:
    """Sums of `values [N, K]` in each cell, `[C, K]`."""
    order = np.argsort(cell, kind="stable")
    sums: Floats = np.add.reduceat(values[order], np.flatnonzero(np.diff(cell[order], prepend=-1)), axis=0)
    return sums
