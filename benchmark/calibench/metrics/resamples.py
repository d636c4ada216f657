"""Resamples: a block of bootstrap resamples of the judged samples, and the sums over them that figures are made of.

How often each resample has each sample is a byte, and a compiled operator adds up (`kernels/resampling.py`). No matrix of
float64 weights exists unless a metric asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeVar, cast

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.blocks import block_rows
from calibench.metrics.judged import Judged
from calibench.metrics.sample_weight import nonzero
from calibench.outputs.arrays import as_array, beside

T = TypeVar("T")

LANES = 16
"""Resamples are drawn in blocks of a multiple of this many."""

FEWEST_LANES, MOST_LANES = 32, 1024
BLOCK_BYTES = 20_000_000
"""A block has at most 1024 resamples, and as few as 32 if it would hold more bytes than this."""

GRID = 2.0**30
"""Columns of int32 are in units of 1 / GRID."""

CHUNK = 1 << 16
"""Sums over all samples are taken in chunks of this many, which threads share out."""


class Ranges(NamedTuple):
    """Items in an order of their own, divided into ranges: bins, ranks, or cells of a table."""

    items: Ints | None
    """The sample of each item, int32 `[L]`; None for all samples in their order."""
    ends: Ints
    """Where each range ends, int64 `[S]`; the first starts at 0, and each of the others where the last one ends."""


def ranges_of(order: Ints | None, ends: Ints) -> Ranges:
    """The ranges of samples in the order `order [L]` that end at `ends [S]`."""
    items: Any = None if order is None else order.astype(np.int32, copy=False)
    return Ranges(items, ends.astype(np.int64))


@dataclass(frozen=True)
class Source:
    """The samples that resamples are drawn from, which may be more than the judged ones."""

    samples: int
    """n, the number of samples that are drawn from."""
    seed: int
    places: Ints | None = None
    """The sample among these n that each of N judged answers belongs to, int32 `[N]`; None if N = n."""
    weight: Floats | None = None
    """The weight of each judged answer, `[N]`, by which all sums and counts are multiplied; None for 1."""
    bins: tuple[int, ...] = ()
    """Numbers of equal-width bins whose sums are wanted together."""
    composed: dict[int, tuple[Ints, Ints]] = field(default_factory=dict)

    def places_of(self, items: Ints | None) -> Ints | None:
        """The place of each item; composed once for all blocks. None if they are the samples in their order."""
        if items is None or self.places is None:
            return self.places if items is None else items
        key = id(items)
        if key not in self.composed:  # `items` is kept, so that no other array has its identity
            self.composed[key] = items, self.places[items]
        return self.composed[key][1]


class Resamples:
    """B resamples of N judged samples: the b-th is resample `first + b` of the stream of its seed.

    A metric reads `sums`, `range_sums` and `risks`, or `weights` if these are not enough. All of them are the same bits for
    every number of threads and every size of block.
    """

    def __init__(self, source: Source, judged_samples: int, first: int, count: int, counts: Any = None) -> None:
        from calibench.kernels import resample_counts

        self.source, self.n, self.first, self.count = source, judged_samples, first, count
        self.bins = source.bins
        if counts is None:
            counts = resample_counts(source.samples, first, count, source.seed, numpy=True)
        self._counts = counts
        self._memo: dict[Hashable, Any] = {}

    def of_subset(self, source: Source, judged_samples: int) -> Resamples:
        """The same resamples, of which other samples are judged: `source` draws from the same set and has their places."""
        return Resamples(source, judged_samples, self.first, self.count, self._counts)

    @cached_property
    def total(self) -> Floats:
        """The number of judged samples in each resample, copies counted, `[B]`."""
        total: Floats = self.sums([])[1]
        return total

    def sums(self, columns: Sequence[Floats | Bools]) -> tuple[Floats, Floats]:
        """The weighted sums of C columns `[N]` over all samples, `[C, B]`, and the number of samples, `[B]`."""
        ends = np.minimum(np.arange(CHUNK, self.n + CHUNK, CHUNK), self.n)
        count, sums = self.range_sums(columns, ranges_of(None, ends))
        return sums.sum(axis=2), count.sum(axis=1)

    def means(self, numbers: Mapping[str, Floats | Bools]) -> dict[str, Floats]:
        """The weighted mean of each of `numbers [N]`, `[B]`."""
        sums, total = self.sums(list(numbers.values()))
        return dict(zip(numbers, sums / nonzero(total), strict=True))

    def range_sums(self, columns: Sequence[Floats | Ints | Bools], ranges: Ranges) -> tuple[Floats, Floats]:
        """The number of samples in each range, `[B, S]`, and the weighted sums of C columns `[L]`, `[C, B, S]`.

        The columns have the items of the ranges in their order. They are float64, float32, bool, or int32 in units of 2^-30.
        """
        from calibench.kernels import resample_sums

        if self.source.weight is not None:
            weight = self.source.weight if ranges.items is None else self.source.weight[ranges.items]
            columns = [weight, *(numbers_of(column) * weight for column in columns)]
        places = self.source.places_of(ranges.items)
        sums = resample_sums(self._counts, columns, ranges.ends, places)
        first = 0 if self.source.weight is None else 1  # the sum of weights takes the place of the count
        return (
            np.ascontiguousarray(sums[:, first, : self.count].T),
            np.ascontiguousarray(sums[:, first + 1 :, : self.count].transpose(1, 2, 0)),
        )

    def group_sums(self, columns: Sequence[Floats | Ints], order: Ints, ends: Floats) -> Floats:
        """The weighted sum over each of M groups of draws, `[B, M]`, of what the columns `[N]` add up to.

        The columns are those of `range_sums`, in the order `order [N]`. Group m ends at draw `ends[b, m]`.
        """
        from calibench.kernels import resample_group_sums

        padded = np.zeros((ends.shape[1], self._counts.shape[1]))
        padded[:, : self.count] = ends.T
        sums = resample_group_sums(self._counts, columns, padded, self.source.places_of(order))
        of_groups: Floats = sums[:, : self.count].T
        return of_groups

    def class_errors(self, judged: Judged, gaps: Ints, cells: Ranges) -> Floats:
        """The sum over classes and class-wise bins of |weighted gap|, `[B]`; `kernels.resample_class_errors` has the formula.

        `gaps [E]` are those of the entries above bin 0 in the order of `cells`, int32 in units of 2^-30.
        """
        from calibench.kernels import resample_class_errors, resample_class_gaps

        scores, places = judged.scores, self.source.places
        arrays = beside(
            scores, *((self._counts, judged.labels) if places is None else (self._counts, judged.labels, places))
        )
        totals = resample_class_gaps(arrays[0], scores, *arrays[1:], from_probs=judged.from_probs)
        entries = cast(Any, self.source.places_of(cells.items))
        errors: Floats = resample_class_errors(self._counts, entries, gaps, cells.ends, as_array(totals))
        return errors[: self.count]

    def risks(self, wrong: Bools, ties: Ranges) -> tuple[Floats, Floats, Floats, Floats]:
        """Samples, errors, and the sums over ranks of the selective and of the joint risk, `[B]` each.

        `wrong [N]` is in the order of the ties, the surest first; `kernels.resample_risks` has the formulas.
        """
        from calibench.kernels import resample_risks

        risks = resample_risks(self._counts, wrong, ties.ends, self.source.places_of(ties.items))
        samples, errors, selective, joint = risks[:, : self.count]
        return samples, errors, selective, joint

    def weights(self) -> Iterator[Floats]:
        """How often each resample has each judged sample, times its weight, in float64: blocks `[b, N]`, B rows in all.

        A resample without any of them counts each once, since a metric needs at least one sample.
        """
        rows, counts, places = block_rows(self.n), self._counts, self.source.places
        for start in range(0, self.count, rows):
            columns = counts[:, start : min(start + rows, self.count)]
            columns = columns if places is None else columns[places]
            block = np.ascontiguousarray(columns.T).astype(np.float64)
            if self.source.weight is not None:
                block *= self.source.weight
            block[block.sum(axis=1) == 0] = 1 if self.source.weight is None else self.source.weight
            yield block

    def memo(self, key: Hashable, make: Callable[[], T]) -> T:
        """`make()`, called once per key: for sums that several metrics need."""
        if key not in self._memo:
            self._memo[key] = make()
        return cast(T, self._memo[key])


def numbers_of(column: Floats | Ints | Bools) -> Floats:
    """What a column stands for: int32 is in units of 1 / GRID."""
    numbers: Floats = column.astype(np.float64)
    return numbers / GRID if column.dtype == np.int32 else numbers


def resample_blocks(source: Source, judged_samples: int, resamples: int) -> Iterator[Resamples]:
    """All resamples, a block at a time."""
    lanes = int(np.clip(BLOCK_BYTES // max(source.samples, 1) // LANES * LANES, FEWEST_LANES, MOST_LANES))
    for first in range(0, resamples, lanes):
        yield Resamples(source, judged_samples, first, min(lanes, resamples - first))
