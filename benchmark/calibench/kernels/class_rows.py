"""Scores as class probabilities for judging: class-wise bins, labels drawn from the probabilities, and sums in resamples.

All run on the CPU, straight from scores of any type, without a copy of the matrix. Results are the same bits for every number
of threads and every instruction set: probabilities are float64, and counts are whole numbers.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch

from calibench.kernels import checks, dispatch, loader, reference


class ClassTable(NamedTuple):
    """Sums over rows in the M equal-width bins of each class, and the entries above bin 0."""

    moments: torch.Tensor
    """The sum of p, and of p^2, in each cell k M + bin, float64 `[2, K M]`."""
    expected_right: torch.Tensor
    """The sum of the probabilities of the predictions, float64 `[1]`."""
    row: torch.Tensor
    """The row of each entry above bin 0, in their order, int32 `[E]`."""
    cell: torch.Tensor
    """Its cell, int32 `[E]`."""
    p: torch.Tensor
    """Its probability, float64 `[E]`."""


class DrawnLabels(NamedTuple):
    """Counts of drawn labels; draw d is column d, and columns beyond the draws hold further draws."""

    right: torch.Tensor
    """Right predictions in each of the C cells of items, int32 `[C, P]`."""
    labels: torch.Tensor
    """Labels in the class-wise cell of their class, int32 `[K M, P]`."""


def class_table(
    scores: torch.Tensor,
    bins: int,
    *,
    from_probs: bool = False,
    factors: torch.Tensor | None = None,
    rows: torch.Tensor | None = None,
    listed: bool = True,
) -> ClassTable:
    """The table of class-wise bins of `scores [N, K]`, or of its `rows` (int32).

    With `factors` (float64 `[K M]`) each probability counts times the factor of its cell, and rows are then scaled to a sum of 1;
    the cell stays. Without `listed` there are no entries. The values of scores are taken as checked: NaN gives NaN.
    """
    checks.check_on_cpu("class_table", scores, factors, rows)
    checks.check_scores("class_table", scores)
    checks.check_bins("class_table", bins)
    scores, chosen = _chosen(scores, rows)
    inputs = scores, from_probs, bins, _or_none(factors, torch.float64), chosen, listed
    if not loader.fused(scores.device, "class_table"):
        return ClassTable(*reference.class_table(*inputs))
    return ClassTable(*dispatch.call("class_table", "class_table", *inputs))


def label_draws(  # noqa: PLR0913 - the arguments of the operator
    scores: torch.Tensor,
    bins: int,
    cells: torch.Tensor,
    num_cells: int,
    *,
    first: int,
    draws: int,
    seed: int,
    from_probs: bool = False,
    factors: torch.Tensor | None = None,
    rows: torch.Tensor | None = None,
) -> DrawnLabels:
    """Labels drawn from the probabilities of `scores [N, K]`, or of its `rows`, counted by cell, for draws `first + d`.

    `cells` (int32) gives each item one of C cells, in which right predictions are counted. Two words of Philox4x32-10 with the key
    `seed` and the counter of item and draw make a label: one says whether it is the prediction, with a probability to 2^-32;
    the other selects among the other classes, with shares to 2^-31. `factors` and bad values as in `class_table`.
    """
    checks.check_on_cpu("label_draws", scores, factors, rows, cells)
    checks.check_scores("label_draws", scores)
    checks.check_bins("label_draws", bins)
    scores, chosen = _chosen(scores, rows)
    inputs = scores, from_probs, bins, _or_none(factors, torch.float64), chosen, cells, num_cells, first, draws, seed
    if not loader.fused(scores.device, "label_draws"):
        return DrawnLabels(*reference.label_draws(*inputs))
    return DrawnLabels(*dispatch.call("label_draws", "label_draws", *inputs))


def resample_class_gaps(
    counts: torch.Tensor,
    scores: torch.Tensor,
    labels: torch.Tensor,
    places: torch.Tensor | None = None,
    *,
    from_probs: bool = False,
) -> torch.Tensor:
    """The weighted sum of `p_k - [label = k]` of each class in each resample, float64 `[K, P]`.

    `counts [n, P]` are those of `resample_counts`; row i of `scores [N, K]` has the counts of row `places[i]`, or i without places.
    Probabilities are rounded to multiples of 2^-29, so the sums are exact in any order.
    """
    checks.check_on_cpu("resample_class_gaps", counts, scores, labels, places)
    checks.check_scores("resample_class_gaps", scores)
    if not loader.fused(scores.device, "resample_class_gaps"):
        return reference.resample_class_gaps(counts, places, scores, labels, from_probs)
    inputs = counts, _or_none(places, torch.int32), scores, labels, from_probs
    return cast(torch.Tensor, dispatch.call("resample_class_gaps", "resample_class_gaps", *inputs))


def resample_class_errors(
    counts: torch.Tensor,
    entries: torch.Tensor,
    gaps: torch.Tensor,
    cell_ends: torch.Tensor,
    totals: torch.Tensor,
) -> torch.Tensor:
    """`sum over classes k and bins m of |sum of w (p_k - [label = k])|` in each resample, float64 `[P]`.

    The entries above bin 0 lie cell by cell: `entries [E]` are their rows of `counts` (int32), `gaps [E]` are p - y (int32 in
    units of 2^-30), and cell k M + m ends at `cell_ends` (int64 `[K M]`). `totals [K, P]` are those of `resample_class_gaps`; bin 0
    of a class has the rest of its total.
    """
    inputs = counts, entries, gaps, cell_ends, totals
    checks.check_on_cpu("resample_class_errors", *inputs)
    if not loader.fused(counts.device, "resample_class_errors"):
        return reference.resample_class_errors(*inputs)
    return cast(torch.Tensor, dispatch.call("resample_class_errors", "resample_class_errors", *inputs))


def gap_sizes(labels: torch.Tensor, offset: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """`sum over cells c of |offset_c - factor_c * labels[c, d]|` of each draw d, float64 `[P]`; `labels` as in `DrawnLabels`."""
    checks.check_on_cpu("gap_sizes", labels, offset, factor)
    if not loader.fused(labels.device, "gap_sizes"):
        return reference.gap_sizes(labels, offset, factor)
    return cast(torch.Tensor, dispatch.call("gap_sizes", "gap_sizes", labels, offset, factor))


def _chosen(scores: torch.Tensor, rows: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """The scores and the rows to take. An operator without rows takes all; of a choice of none, it gets no scores."""
    return scores if rows is None or len(rows) else scores[:0], _or_none(rows, torch.int32)


def _or_none(values: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(0, dtype=dtype) if values is None else values
