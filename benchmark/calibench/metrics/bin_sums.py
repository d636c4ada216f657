"""Sums of each equal-width bin: ECE, MCE and their kin are made of these."""

from __future__ import annotations

from dataclasses import dataclass

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.floor_counts import RightInCells, joint_cells
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import times_weight
from calibench.metrics.resamples import Ranges, Resamples, ranges_of
from calibench.metrics.sample_weight import nonzero

GRID = 2.0**30
"""Coarse parts of confidences are multiples of 1 / GRID."""


@dataclass(frozen=True)
class BinSums:
    """Coarse and fine parts of the confidence, right answers and counts of each bin, `[..., M]` each.

    The coarse part of a confidence is a multiple of 2^-30 and the fine part is the rest, so both sums are exact up to about
    4 million samples.
    """

    coarse: Floats
    fine: Floats
    correct: Floats
    count: Floats
    """The number of samples, or the sum of their weights."""
    squares: Floats | None = None
    """The sum of squared weights; None without weights."""

    @property
    def effective(self) -> Floats:
        """The effective number of samples, `count^2 / squares`: the number itself without weights."""
        return self.count if self.squares is None else self.count**2 / nonzero(self.squares)

    @property
    def gap(self) -> Floats:
        """`sum(confidence) - sum(correct)`."""
        gap: Floats = self.coarse - self.correct + self.fine
        return gap

    def merged(self, part: Ints, bins: int) -> BinSums:
        """The sums of the M bins that joint bins lie in: joint bin j in `part[j]`."""
        order = None if (part[1:] >= part[:-1]).all() else np.argsort(part, kind="stable")
        filled, starts = np.unique(part if order is None else part[order], return_index=True)

        def merge(sums: Floats) -> Floats:
            merged: Floats = np.add.reduceat(sums if order is None else sums[..., order], starts, axis=-1)
            if len(filled) == bins:
                return merged
            out = np.zeros((*sums.shape[:-1], bins))
            out[..., filled] = merged
            return out

        squares = None if self.squares is None else merge(self.squares)
        return BinSums(merge(self.coarse), merge(self.fine), merge(self.correct), merge(self.count), squares)


def bin_sums(judged: Judged, bins: int) -> BinSums:
    """The sums `[M]` of all samples."""

    def make() -> BinSums:
        index, coarse = judged.bin_index(bins), _coarse(judged.confidence)

        def per_bin(values: Floats | None) -> Floats:
            weights = judged.sample_weight if values is None else times_weight(judged, values)
            sums: Floats = np.bincount(index, weights=weights, minlength=bins).astype(np.float64)
            return sums

        columns = coarse, judged.confidence - coarse, judged.correct, None, judged.sample_weight
        return BinSums(*map(per_bin, columns[: 4 if judged.sample_weight is None else 5]))

    return judged.memo(("bin_sums", bins), make)


def resampled_bin_sums(judged: Judged, resamples: Resamples, bins: int) -> BinSums:
    """The sums `[B, M]` of each resample. All numbers of bins in `resamples.bins` are added up together, in joint bins."""
    numbers = tuple(sorted({bins, *resamples.bins}))

    def make() -> BinSums:
        columns, ranges, _ = judged.memo(("bin_columns", numbers), lambda: _columns(judged, numbers))
        count, (coarse, fine, correct, *squares) = resamples.range_sums(columns, ranges)
        return BinSums(coarse, fine, correct, count, *squares)

    joint = resamples.memo(("bin_sums", numbers), make)
    _, _, parts = judged.memo(("bin_columns", numbers), lambda: _columns(judged, numbers))
    return joint.merged(parts[numbers.index(bins)], bins)


def _coarse(confidence: Floats) -> Floats:
    coarse: Floats = np.rint(confidence * GRID) / GRID
    return coarse


def _columns(judged: Judged, numbers: tuple[int, ...]) -> tuple[Floats, Ranges, list[Ints]]:
    """`[3, N]`: the numbers of each sample that `BinSums` adds, joint bin by joint bin, and where these and their bins lie.

    With weights `[4, N]`, the weights last.
    """
    joint, parts = joint_cells([RightInCells(judged.bin_index(bins), bins) for bins in numbers], judged.n)
    order = judged.by_confidence  # bins rise with the confidence, so it goes through them one by one
    ranges = ranges_of(order, np.bincount(joint, minlength=len(parts[0])).cumsum())
    return bin_columns(judged, order), ranges, parts


def bin_columns(judged: Judged, order: Ints) -> Floats:
    """The numbers that `BinSums` adds, of the samples in the order `order [L]`: `[3, L]`, or with weights `[4, L]`."""
    columns = np.empty((3 if judged.sample_weight is None else 4, len(order)))
    columns[1] = judged.confidence[order]
    columns[0] = _coarse(columns[1])
    columns[1] -= columns[0]
    columns[2] = judged.correct[order]
    if judged.sample_weight is not None:
        columns[3] = judged.sample_weight[order]
    return columns
