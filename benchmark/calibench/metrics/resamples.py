"""Resamples: a block of bootstrap resamples of the judged samples, and the sums over them that figures are made of.

How often each resample has each sample is a byte, and a compiled operator adds up (`kernels/resampling.py`). No matrix of
float64 weights exists unless a metric asks for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeVar, cast

from calibench.lazy import np, torch
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.blocks import block_rows
from calibench.metrics.judged import Judged
from calibench.metrics.sample_weight import nonzero

T = TypeVar("T")

LANES = 16
"""Resamples are drawn in blocks of a multiple of this many."""

FEWEST_LANES, MOST_LANES = 32, 1024
BLOCK_BYTES = 20_000_000
"""A block has at most 1024 resamples, and as few as 32 if it would hold more bytes than this."""

CHUNK = 1 << 16
"""Sums over all samples are taken in chunks of this many, which threads share out."""


class Ranges(NamedTuple):
    """Items in an order of their own, divided into ranges: bins, ranks, or cells of a table."""

    items: Any
    """The sample of each item, an int32 tensor `[L]`; None for all samples in their order."""
    ends: Any
    """Where each range ends, an int64 tensor `[S]`; the first starts at 0, and each of the others where the last one ends."""


def ranges_of(order: Ints | None, ends: Ints) -> Ranges:
    """The ranges of samples in the order `order [L]` that end at `ends [S]`."""
    items = None if order is None else _tensor(order.astype(np.int32, copy=False))
    return Ranges(items, torch.from_numpy(ends.astype(np.int64)))


def bin_ranges(index: Ints, bins: int) -> tuple[Ints, Ranges]:
    """The samples by their bin `index [N]`, `[N]`, and the range of each of M bins."""
    order = np.argsort(index, kind="stable")
    return order, ranges_of(order, np.bincount(index, minlength=bins).cumsum())


@dataclass(frozen=True)
class Source:
    """The samples that resamples are drawn from, which may be more than the judged ones."""

    samples: int
    """n, the number of samples that are drawn from."""
    seed: int
    places: Any = None
    """The sample among these n that each of N judged answers belongs to, an int32 tensor `[N]`; None if N = n."""
    weight: Floats | None = None
    """The weight of each judged answer, `[N]`, by which all sums and counts are multiplied; None for 1."""
    bins: tuple[int, ...] = ()
    """Numbers of equal-width bins whose sums are wanted together."""
    composed: dict[tuple[int, int], tuple[Any, Any]] = field(default_factory=dict)

    def places_of(self, items: Any) -> Any:
        """The place of each item; composed once for all blocks. None if they are the samples in their order."""
        if items is None or self.places is None:
            return self.places if items is None else items
        key = items.data_ptr(), len(items)
        if key not in self.composed:  # `items` is kept, so that its memory is not used again
            self.composed[key] = items, self.places[items.long()]
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
        self._counts = resample_counts(source.samples, first, count, source.seed) if counts is None else counts
        self._memo: dict[Hashable, Any] = {}

    def of_subset(self, source: Source, judged_samples: int) -> Resamples:
        """The same resamples, of which other samples are judged: `source` draws from the same set and has their places."""
        return Resamples(source, judged_samples, self.first, self.count, self._counts)

    @cached_property
    def total(self) -> Floats:
        """The number of judged samples in each resample, copies counted, `[B]`."""
        total: Floats = self.sums(np.zeros((0, self.n)))[1]
        return total

    def sums(self, columns: Floats) -> tuple[Floats, Floats]:
        """The weighted sums of `columns [C, N]` over all samples, `[C, B]`, and the number of samples, `[B]`."""
        ends = np.minimum(np.arange(CHUNK, self.n + CHUNK, CHUNK), self.n)
        count, sums = self.range_sums(columns, ranges_of(None, ends))
        return sums.sum(axis=2), count.sum(axis=1)

    def means(self, numbers: Mapping[str, Floats]) -> dict[str, Floats]:
        """The weighted mean of each of `numbers [N]`, `[B]`."""
        sums, total = self.sums(np.stack(list(numbers.values())))
        return dict(zip(numbers, sums / nonzero(total), strict=True))

    def range_sums(self, columns: Floats, ranges: Ranges) -> tuple[Floats, Floats]:
        """The number of samples in each range, `[B, S]`, and the weighted sums of `columns [C, L]`, `[C, B, S]`.

        The columns have the items of the ranges in their order.
        """
        from calibench.kernels import resample_sums

        if self.source.weight is not None:
            weight = self.source.weight if ranges.items is None else self.source.weight[ranges.items.numpy()]
            columns = np.concatenate([weight[None], columns * weight])
        places = self.source.places_of(ranges.items)
        sums = resample_sums(self._counts, _tensor(columns), ranges.ends, places).numpy()
        first = 0 if self.source.weight is None else 1  # the sum of weights takes the place of the count
        return (
            np.ascontiguousarray(sums[:, first, : self.count].T),
            np.ascontiguousarray(sums[:, first + 1 :, : self.count].transpose(1, 2, 0)),
        )

    def group_sums(self, values: Floats, order: Ints, ends: Floats) -> Floats:
        """The weighted sum of `values [N]`, which are in the order `order [N]`, over each of M groups of draws, `[B, M]`.

        Group m ends at draw `ends[b, m]`.
        """
        from calibench.kernels import resample_group_sums

        padded = np.zeros((ends.shape[1], self._counts.shape[1]))
        padded[:, : self.count] = ends.T
        places = self.source.places_of(_tensor(order))
        sums = resample_group_sums(self._counts, _tensor(values), torch.from_numpy(padded), places)
        return sums.numpy()[:, : self.count].T

    def class_errors(self, judged: Judged, gaps: Floats, cells: Ranges, by_label: Ranges) -> Floats:
        """The sum over classes and class-wise bins of |weighted gap|, `[B]`; `kernels.resample_class_errors` has the formula.

        `gaps [E]` are those of the entries above bin 0 in the order of `cells`; `by_label` has the samples of each label.
        """
        from calibench.kernels import resample_class_errors, resample_class_sums

        sums = resample_class_sums(self._counts, judged.scores, self.source.places, from_probs=judged.from_probs)
        entries, labelled = self.source.places_of(cells.items), self.source.places_of(by_label.items)
        errors = resample_class_errors(self._counts, entries, _tensor(gaps), cells.ends, labelled, by_label.ends, sums)
        return errors.numpy()[: self.count]

    def risks(self, wrong: Any, ties: Ranges, harmonic: Any) -> tuple[Floats, Floats, Floats, Floats]:
        """Samples, errors, and the sums over ranks of the selective and of the joint risk, `[B]` each.

        `wrong` is a bool tensor `[N]` in the order of the ties, the surest first; `kernels.resample_risks` has the formulas.
        """
        from calibench.kernels import resample_risks

        risks = resample_risks(self._counts, wrong, ties.ends, harmonic, self.source.places_of(ties.items))
        samples, errors, selective, joint = risks.numpy()[:, : self.count]
        return samples, errors, selective, joint

    def weights(self) -> Iterator[Floats]:
        """How often each resample has each judged sample, times its weight, in float64: blocks `[b, N]`, B rows in all.

        A resample without any of them counts each once, since a metric needs at least one sample.
        """
        rows, counts = block_rows(self.n), self._counts.numpy()
        places = None if self.source.places is None else self.source.places.numpy()
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


def _tensor(array: Any) -> Any:
    """The numbers as a tensor that shares their memory. torch warns of read-only arrays; no operator writes into its inputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.from_numpy(array)


def resample_blocks(source: Source, judged_samples: int, resamples: int) -> Iterator[Resamples]:
    """All resamples, a block at a time."""
    lanes = int(np.clip(BLOCK_BYTES // max(source.samples, 1) // LANES * LANES, FEWEST_LANES, MOST_LANES))
    for first in range(0, resamples, lanes):
        yield Resamples(source, judged_samples, first, min(lanes, resamples - first))
