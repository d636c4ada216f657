"""The few rows of a file that are kept: for the interval of the class-wise ECE, and for the advice."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from calibench.evaluation.cross_fit import Samples
from calibench.lazy import np
from calibench.metrics.binning import Ints
from calibench.metrics.class_bins import class_bins
from calibench.metrics.judged import Judged
from calibench.metrics.redrawn_labels import MOST_ROWS, evenly_spaced
from calibench.outputs.arrays import as_array, empty_rows
from calibench.outputs.readers.block_file import Block
from calibench.outputs.stored_outputs import outputs_of


class KeptRows:
    """Scores and labels of the rows `index`, which are in order."""

    def __init__(self, index: Ints) -> None:
        self.index = index
        self._done = 0
        self._scores: Any = None
        self._labels: Ints = np.empty(0, dtype=np.int64)

    def add(self, block: Block) -> None:
        """Keep the rows that lie in the block. All memory is taken with the first: pieces would leave gaps in it."""
        places = _within(self.index, block.first, len(block.labels))
        if not len(places):
            return
        if not self._done:
            self._scores = empty_rows(block.outputs.given, len(self.index))
            self._labels = np.empty(len(self.index), dtype=np.int64)
        rows = slice(self._done, self._done + len(places))
        self._scores[rows], self._labels[rows] = block.outputs.given[places], as_array(block.labels)[places]
        self._done = rows.stop

    def samples(self, from_probs: bool) -> Samples:
        """The rows as outputs and labels."""
        return outputs_of(self._scores, from_probs), self._labels


class KeptCells:
    """The cells above bin 0, of M bins of every class, that evenly spaced rows have; they take the place of the rows."""

    def __init__(self, n: int, bins: Collection[int]) -> None:
        self.index = evenly_spaced(min(n, MOST_ROWS), n)
        self._cells: dict[int, list[tuple[Ints, Ints]]] = {number: [] for number in bins}

    def add(self, judged: Judged, first: int) -> None:
        """Keep the cells of the rows that lie in the block, whose first row is row `first`."""
        within = _within(self.index, first, judged.n)
        if not len(within) or not self._cells:
            return
        place = np.full(judged.n, -1)
        place[within] = np.searchsorted(self.index, within + first)
        for bins, kept in self._cells.items():
            table = class_bins(judged, bins)
            of_entry = place[table.row]
            kept.append((table.cells[of_entry >= 0].astype(np.int32), of_entry[of_entry >= 0].astype(np.int32)))

    def thinned(self, bins: int) -> tuple[Ints, Ints, Ints]:
        """For each entry its cell, bin 0 of its class, and the place of its row among the evenly spaced ones."""
        cells, places = zip(*self._cells[bins], strict=True)
        cell = np.concatenate(cells).astype(np.int64)
        return cell, cell // bins * bins, np.concatenate(places).astype(np.int64)


def _within(index: Ints, first: int, count: int) -> Ints:
    """Which of the rows `index` lie among `count` rows from row `first` on, counted from there."""
    start, stop = np.searchsorted(index, (first, first + count))
    rows: Ints = index[start:stop] - first
    return rows
