"""Scores as class probabilities for judging: class-wise bins, labels drawn from the probabilities, and sums in resamples.

All run straight from scores of any type, on the CPU or on CUDA, without a copy of the matrix. Results are the same bits for
every number of threads and every instruction set: probabilities are float64, and counts are whole numbers. On CUDA counts and
entries are the same, and float64 sums are equal to 1e-12.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, cast

from calibench.kernels import checks, dispatch, loader
from calibench.kernels.arrays import Array, empty_like


class ClassTable(NamedTuple, Generic[Array]):
    """Sums over rows in the M equal-width bins of each class, and the entries above bin 0."""

    moments: Array
    """The sum of p, and of p^2, in each cell k M + bin, float64 `[2, K M]`."""
    expected_right: Array
    """The sum of the probabilities of the predictions, float64 `[1]`."""
    row: Array
    """The row of each entry above bin 0, in their order, int32 `[E]`."""
    cell: Array
    """Its cell, int32 `[E]`."""
    p: Array
    """Its probability, float64 `[E]`."""


class DrawnLabels(NamedTuple, Generic[Array]):
    """Counts of drawn labels; draw d is column d, and columns beyond the draws hold further draws."""

    right: Array
    """Right predictions in each of the C cells of items, int32 `[C, P]`."""
    labels: Array
    """Labels in the class-wise cell of their class, int32 `[K M, P]`."""


def class_table(
    scores: Array,
    bins: int,
    *,
    from_probs: bool = False,
    factors: Array | None = None,
    rows: Array | None = None,
    listed: bool = True,
) -> ClassTable[Array]:
    """The table of class-wise bins of `scores [N, K]`, or of its `rows` (int32).

    With `factors` (float64 `[K M]`) each probability counts times the factor of its cell, and rows are then scaled to a sum of 1;
    the cell stays. Without `listed` there are no entries. The values of scores are taken as checked: NaN gives NaN.
    """
    checks.check_one_device("class_table", scores, factors, rows)
    checks.check_scores("class_table", scores)
    checks.check_bins("class_table", bins)
    scores, chosen = _chosen(scores, rows)
    inputs = scores, from_probs, bins, _or_none(factors, scores, "float64"), chosen, listed
    if not loader.fused(scores, "class_table"):
        return ClassTable(*dispatch.define("class_table", *inputs))
    return ClassTable(*dispatch.call("class_table", "class_table", *inputs))


def label_draws(  # noqa: PLR0913 - the arguments of the operator
    scores: Array,
    bins: int,
    cells: Array,
    num_cells: int,
    *,
    first: int,
    draws: int,
    seed: int,
    from_probs: bool = False,
    factors: Array | None = None,
    rows: Array | None = None,
) -> DrawnLabels[Array]:
    """Labels drawn from the probabilities of `scores [N, K]`, or of its `rows`, counted by cell, for draws `first + d`.

    `cells` (int32) gives each item one of C cells, in which right predictions are counted. Two words of Philox4x32-10 with the key
    `seed` and the counter of item and draw make a label: one says whether it is the prediction, with a probability to 2^-32;
    the other selects among the other classes, with shares to 2^-31. `factors` and bad values as in `class_table`.
    """
    checks.check_one_device("label_draws", scores, factors, rows, cells)
    checks.check_scores("label_draws", scores)
    checks.check_bins("label_draws", bins)
    scores, chosen = _chosen(scores, rows)
    inputs = (
        scores,
        from_probs,
        bins,
        _or_none(factors, scores, "float64"),
        chosen,
        cells,
        num_cells,
        first,
        draws,
        seed,
    )
    if not loader.fused(scores, "label_draws"):
        return DrawnLabels(*dispatch.define("label_draws", *inputs))
    return DrawnLabels(*dispatch.call("label_draws", "label_draws", *inputs))


def resample_class_gaps(
    counts: Array, scores: Array, labels: Array, places: Array | None = None, *, from_probs: bool = False
) -> Array:
    """The weighted sum of `p_k - [label = k]` of each class in each resample, float64 `[K, P]`.

    `counts [n, P]` are those of `resample_counts`; row i of `scores [N, K]` has the counts of row `places[i]`, or i without places.
    Probabilities are rounded to multiples of 2^-29, so the sums are exact in any order.
    """
    checks.check_one_device("resample_class_gaps", counts, scores, labels, places)
    checks.check_scores("resample_class_gaps", scores)
    if not loader.fused(scores, "resample_class_gaps"):
        return cast(Array, dispatch.define("resample_class_gaps", counts, places, scores, labels, from_probs))
    inputs = counts, _or_none(places, scores, "int32"), scores, labels, from_probs
    return cast(Array, dispatch.call("resample_class_gaps", "resample_class_gaps", *inputs))


def resample_class_errors(counts: Array, entries: Array, gaps: Array, cell_ends: Array, totals: Array) -> Array:
    """`sum over classes k and bins m of |sum of w (p_k - [label = k])|` in each resample, float64 `[P]`.

    The entries above bin 0 lie cell by cell: `entries [E]` are their rows of `counts` (int32), `gaps [E]` are p - y (int32 in
    units of 2^-30), and cell k M + m ends at `cell_ends` (int64 `[K M]`). `totals [K, P]` are those of `resample_class_gaps`; bin 0
    of a class has the rest of its total.
    """
    inputs = counts, entries, gaps, cell_ends, totals
    checks.check_one_device("resample_class_errors", *inputs)
    if not loader.fused(counts, "resample_class_errors"):
        return cast(Array, dispatch.define("resample_class_errors", *inputs))
    return cast(Array, dispatch.call("resample_class_errors", "resample_class_errors", *inputs))


def gap_sizes(labels: Array, offset: Array, factor: Array) -> Array:
    """`sum over cells c of |offset_c - factor_c * labels[c, d]|` of each draw d, float64 `[P]`; `labels` as in `DrawnLabels`."""
    checks.check_one_device("gap_sizes", labels, offset, factor)
    if not loader.fused(labels, "gap_sizes"):
        return cast(Array, dispatch.define("gap_sizes", labels, offset, factor))
    return cast(Array, dispatch.call("gap_sizes", "gap_sizes", labels, offset, factor))


def _chosen(scores: Array, rows: Array | None) -> tuple[Array, Array]:
    """The scores and the rows to take. An operator without rows takes all; of a choice of none, it gets no scores."""
    return scores if rows is None or len(rows) else scores[:0], _or_none(rows, scores, "int32")


def _or_none(values: Array | None, scores: Array, dtype: str) -> Array:
    return empty_like(scores, dtype) if values is None else values
