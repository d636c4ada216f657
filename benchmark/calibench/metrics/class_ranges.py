"""Ranges of equal mass in the probabilities of each class, for the adaptive calibration errors ACE and TACE.

The probabilities of class k above a threshold are ranked and split into R ranges of near-equal size, or into one range per
probability if they are fewer. Equal probabilities share their labels, as `equal_mass.py` defines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.ece_equal_mass import group_ends
from calibench.metrics.equal_mass import range_gap_sums, tie_starts
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import draws_of, once

if TYPE_CHECKING:
    from numpy.typing import NDArray


class RankedClass(NamedTuple):
    """The E probabilities of one class above the threshold, from smallest to largest."""

    row: NDArray[np.int32]
    """The sample of each, `[E]`."""
    p: Floats
    """`[E]`."""
    gap: Floats
    """`p - [label = k]`, `[E]`."""
    starts: Ints | None
    """Where runs of equal probabilities start; None if all differ."""


def ranked_classes(judged: Judged, threshold: float | None) -> list[RankedClass]:
    """The ranked probabilities of each class, all of them if `threshold` is None; computed once."""
    return judged.memo(("ranked_classes", threshold), lambda: _ranked_classes(judged, threshold))


def _ranked_classes(judged: Judged, threshold: float | None) -> list[RankedClass]:
    ranked = []
    for k in range(judged.num_classes):
        p = np.ascontiguousarray(judged.probs[:, k])
        rows = np.arange(judged.n) if threshold is None else np.flatnonzero(p > threshold)
        rows = rows[np.argsort(p[rows], kind="stable")]
        p = p[rows]
        ranked.append(RankedClass(rows.astype(np.int32), p, p - (judged.labels[rows] == k), tie_starts(p)))
    return ranked


def range_ends(total: int, ranges: int) -> Ints:
    """The ends of R ranges of near-equal size among `total` > 0 ranks, or of `total` ranges if these are fewer."""
    return group_ends(total, min(ranges, total))


def adaptive_errors(judged: Judged, weights: Floats, ranges: int, threshold: float | None) -> Floats:
    """`1/K sum over classes of the mean over ranges of |mean gap|` in each resample, `[B]`, for weights `[B, N]`.

    NaN if no probability is above the threshold.
    """
    sums, any_above = np.zeros(len(weights)), np.zeros(len(weights), dtype=bool)
    counts = draws_of(judged, weights)
    # In few bytes, a row of counts stays in the processor's cache: rows are read in random order.
    small = counts.astype(np.min_scalar_type(int(counts.max())))
    own = judged.sample_weight
    for ranked in ranked_classes(judged, threshold):
        rows = ranked.row.astype(np.intp)
        for b, row in enumerate(small):
            count = row[rows].astype(np.float64)
            total = int(count.sum())
            if total:
                any_above[b] = True
                ends: Ints | Floats = range_ends(total, ranges)
                weight = count if own is None else count * own[rows]
                if own is not None:
                    ends = ends * (weight.sum() / total)
                gap_sums = range_gap_sums(weight, ranked.gap, ranked.starts, ends)
                sums[b] += (np.abs(gap_sums) / np.diff(ends)).mean()
    return np.where(any_above, sums / judged.num_classes, np.nan)


class ClassCells(NamedTuple):
    """The ranges of all classes as cells `k * R + range`, so that labels can be counted anew."""

    cell: NDArray[np.int32]
    """The cell of each probability, `[N, K]`; K R for probabilities up to the threshold, and larger numbers for runs.

    A run is a run of equal probabilities that lies in several cells.
    """
    p_sum: Floats
    """Sum of the probabilities in each cell, `[K R]`."""
    scale: Floats
    """The factor of each cell's gap sum in the figure, `[K R]`; 0 for an empty cell."""
    shares: list[tuple[int, int, float]]
    """(run, cell, share of the run in the cell)."""


def drawn_errors(judged: Judged, labels: Ints, ranges: int, threshold: float | None) -> Floats | None:
    """The figure of `adaptive_errors` for each row of `labels [D, N]` in place of the labels, `[D]`.

    None if no probability is above the threshold.
    """
    if judged.sample_weight is not None:
        figures = [adaptive_errors(judged.relabelled(row), once(judged), ranges, threshold)[0] for row in labels]
        return None if np.isnan(figures).all() else np.array(figures)
    cells = judged.memo(("class_cells", ranges, threshold), lambda: _class_cells(judged, ranges, threshold))
    if not cells.scale.any():
        return None
    rows, total = np.arange(judged.n), len(cells.scale)
    run, cell, share = np.array(cells.shares).reshape(-1, 3).T
    highest = int(run.max(initial=total))
    draws = np.empty(len(labels))
    for draw, label in enumerate(labels):
        counts = np.bincount(cells.cell[rows, label], minlength=highest + 1)
        from_runs = np.bincount(cell.astype(np.intp), weights=counts[run.astype(np.intp)] * share, minlength=total)
        draws[draw] = (np.abs(cells.p_sum - counts[:total] - from_runs) * cells.scale).sum()
    return draws


def _class_cells(judged: Judged, ranges: int, threshold: float | None) -> ClassCells:
    total = judged.num_classes * ranges
    cell = np.full((judged.n, judged.num_classes), total, dtype=np.int32)
    p_sum, scale, shares = np.zeros(total), np.zeros(total), []
    next_run = total + 1
    for k, ranked in enumerate(ranked_classes(judged, threshold)):
        n = len(ranked.p)
        if not n:
            continue
        ends = range_ends(n, ranges)
        filled = slice(k * ranges, k * ranges + len(ends) - 1)
        p_sum[filled] = range_gap_sums(np.ones(n), ranked.p, ranked.starts, ends)
        scale[filled] = 1 / (np.diff(ends) * (len(ends) - 1) * judged.num_classes)
        starts = np.arange(n) if ranked.starts is None else ranked.starts
        stops = np.append(starts[1:], n)
        first, last = (np.searchsorted(ends, place, side="right") - 1 for place in (starts, stops - 1))
        cell_of_run = k * ranges + first
        for run in np.flatnonzero(first != last):
            size = stops[run] - starts[run]
            for r in range(first[run], last[run] + 1):
                inside = min(ends[r + 1], stops[run]) - max(ends[r], starts[run])
                shares.append((next_run, k * ranges + r, float(inside / size)))
            cell_of_run[run] = next_run
            next_run += 1
        cell[ranked.row, k] = np.repeat(cell_of_run, stops - starts)
    return ClassCells(cell, p_sum, scale, shares)
