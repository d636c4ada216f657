"""What a noise floor counts in labels drawn from the predicted probabilities: right answers in cells, or labels in bins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints, bin_index
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import times_weight
from calibench.outputs.arrays import as_array, beside

STREAM = 1
"""Separates the draws from the resamples of the same seed."""

TABLE_NUMBERS = 4_000_000
"""Draws are counted in blocks whose tables have at most so many numbers (16 MB)."""

BLOCK_LABELS = 200_000_000
"""And of at most so many labels, so that progress is seen and Ctrl-C is heard."""

LANES = 64
"""A block has at least so many draws: for each block the probabilities are computed anew."""

MOST_CODES = 1 << 22
"""Combinations of cells that are numbered by a table; more of them are sorted."""


@dataclass(frozen=True)
class RightInCells:
    """The number of right predictions in each of C cells of samples, or the sum of their weights."""

    cell: Ints
    """The cell of each sample, `[N]`."""
    cells: int
    """C."""

    def of_labels(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """The counts `[C, D]` of D draws, `correct [D, N]` and `labels [D, N]`: the definition."""
        weighted = (times_weight(judged, row.astype(np.float64)) for row in correct)
        counts = [np.bincount(self.cell, weights=row, minlength=self.cells) for row in weighted]
        return np.stack(counts, axis=1).astype(np.float64)


@dataclass(frozen=True)
class LabelsInBins:
    """The number of labels in each of M equal-width bins of every class, or the sum of their weights: K M cells, class by class."""

    bins: int
    """M."""

    def of_labels(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """The counts `[K M, D]` of D draws: the definition."""
        rows, size = np.arange(judged.n), judged.num_classes * self.bins
        table = judged.memo(("bins_of_classes", self.bins), lambda: self._bins_of_classes(judged))
        cells = [label * self.bins + table[rows, label] for label in labels]
        weight = judged.sample_weight
        return np.stack([np.bincount(cell, weights=weight, minlength=size) for cell in cells], axis=1).astype(
            np.float64
        )

    def _bins_of_classes(self, judged: Judged) -> Ints:
        """The bin of each probability, `[N, K]`, in few bytes."""
        small = np.min_scalar_type(self.bins)
        columns = [bin_index(judged.probs[:, k], self.bins).astype(small) for k in range(judged.num_classes)]
        return np.stack(columns, axis=1)


FloorCounts: TypeAlias = RightInCells | LabelsInBins


def counted_draws(
    judged: Judged, wanted: Mapping[str, FloorCounts], draws: int, seed: int, part: int = 0
) -> Iterator[dict[str, Ints]]:
    """The counts `[C, d]` that are wanted, by name, for a block of draws at a time; all of them from the same labels.

    Where samples are judged a part at a time, each `part` has random numbers of its own.
    """
    right = {name: want for name, want in wanted.items() if isinstance(want, RightInCells)}
    joint, parts = joint_cells(list(right.values()), judged.n)
    in_bins = {name: want.bins for name, want in wanted.items() if isinstance(want, LabelsInBins)}
    for bins in sorted(set(in_bins.values())) or [1]:
        for right_counts, label_counts in _blocks(judged, joint, len(parts[0]), bins, draws, (seed, part)):
            counts = {name: label_counts for name, of_bins in in_bins.items() if of_bins == bins}
            for (name, want), cells in zip(right.items(), parts, strict=False):
                counts[name] = _merged(right_counts, cells, want.cells)
            yield counts
        right = {}  # they are the same for any number of bins


def joint_cells(wanted: list[RightInCells], n: int) -> tuple[Ints, list[Ints]]:
    """One cell `[N]` for each combination of cells that occurs, and of each of `wanted` the cell that a joint cell lies in.

    There is at least one part: a single cell, if nothing is wanted.
    """
    joint, parts = np.zeros(n, dtype=np.int64), [np.zeros(1, dtype=np.int64)]
    for want in wanted:
        code = joint * want.cells + want.cell
        if len(parts[0]) * want.cells <= MOST_CODES:
            occurs = np.bincount(code, minlength=len(parts[0]) * want.cells) > 0
            codes, joint = np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[code]
        else:
            codes, joint = np.unique(code, return_inverse=True)
        parts = [part[codes // want.cells] for part in parts] + [codes % want.cells]
    return joint, parts[1:] or parts


def _blocks(
    judged: Judged, joint: Ints, cells: int, bins: int, draws: int, seed_and_part: tuple[int, int]
) -> Iterator[tuple[Ints, Ints]]:
    from calibench.kernels import label_draws

    seed, part = seed_and_part
    (index,) = beside(judged.scores, joint.astype(np.int32))
    most = min(TABLE_NUMBERS // (judged.num_classes * bins + cells), BLOCK_LABELS // judged.n)
    size = max(LANES, most // LANES * LANES)
    for first in range(0, draws, size):
        count = min(size, draws - first)
        drawn = label_draws(
            judged.scores,
            bins,
            index,
            cells,
            first=((part << 8 | STREAM) << 32) + first,
            draws=count,
            seed=seed,
            from_probs=judged.from_probs,
        )
        yield as_array(drawn.right)[:, :count], as_array(drawn.labels)[:, :count]


def _merged(counts: Ints, part: Ints, cells: int) -> Ints:
    """The counts of joint cells `[J, d]`, added up in the cells that they lie in, `[C, d]`."""
    merged = np.zeros((cells, counts.shape[1]), dtype=np.int64)
    order = np.argsort(part, kind="stable")
    present, first = np.unique(part[order], return_index=True)
    merged[present] = np.add.reduceat(counts[order], first, axis=0, dtype=np.int64)
    return merged
