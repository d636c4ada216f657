"""Sums of each equal-width bin: ECE, MCE and their kin are made of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints, read_only
from calibench.metrics.floor_counts import RightInCells, joint_cells
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import times_weight
from calibench.metrics.resamples import GRID, Ranges, Resamples, ranges_of
from calibench.metrics.sample_weight import nonzero


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

    @classmethod
    def of_columns(cls, count: Floats, sums: Floats) -> BinSums:
        """From the counts and the sums of coarse gaps, fine parts, right answers and, with weights, weights, `[3 or 4, ...]`."""
        gap, fine, correct, *squares = sums
        return cls(gap + correct, fine, correct, count, *squares)

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
        return BinSums.of_columns(*resamples.range_sums(columns_by_confidence(judged), ranges))

    ranges, parts = judged.memo(("bin_ranges", numbers), lambda: _joint_bins(judged, numbers))
    return resamples.memo(("bin_sums", numbers), make).merged(parts[numbers.index(bins)], bins)


def columns_by_confidence(judged: Judged) -> list[Any]:
    """`bin_columns` of all samples by rising confidence."""
    return judged.memo("columns_by_confidence", lambda: bin_columns(judged, judged.by_confidence))


def bin_columns(judged: Judged, order: Ints) -> list[Any]:
    """The numbers that `BinSums.of_columns` takes the sums of, of the samples in the order `order [L]`, in little memory.

    The gap `confidence - correct` is a multiple of 2^-30 as int32 and a rest as float32, which add up to it within 2^-56; then come
    right answers as bool, and weights if there are any.
    """
    confidence, correct = judged.confidence[order], judged.is_correct[order]
    coarse = _coarse(confidence)
    fine = (confidence - coarse).astype(np.float32)
    del confidence  # of large samples it is large
    coarse *= GRID
    gap = coarse.astype(np.int32)
    gap[correct] -= round(GRID)
    weights = [] if judged.sample_weight is None else [judged.sample_weight[order]]
    return [read_only(column) for column in (gap, fine, correct, *weights)]


def _coarse(confidence: Floats) -> Floats:
    coarse: Floats = np.rint(confidence * GRID) / GRID
    return coarse


def _joint_bins(judged: Judged, numbers: tuple[int, ...]) -> tuple[Ranges, list[Ints]]:
    """Where the joint bins lie among samples by rising confidence, and the bin of each number that they lie in."""
    joint, parts = joint_cells([RightInCells(judged.bin_index(bins), bins) for bins in numbers], judged.n)
    # Bins rise with the confidence, so it goes through them one by one.
    return ranges_of(judged.by_confidence, np.bincount(joint, minlength=len(parts[0])).cumsum()), parts
