"""The definition of the operators that read rows of scores as class probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from calibench.kernels.reference.bootstrap_bins import philox
from calibench.kernels.reference.resampling import FIXED_UNIT
from calibench.kernels.reference.rows import bin_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LANES = 8
"""Draws are side by side in a multiple of this many columns."""

CLASS_UNIT = 2.0**-29
"""Probabilities are rounded to a multiple of this before they are added up in resamples."""

BLOCK = 64
"""Classes whose shares are added together."""

SHARES = 2**31
"""Shares of the classes other than the prediction are whole numbers of 1 / SHARES, rounded down."""

LEAST_OTHERS = 2.0**-960
"""A smaller sum of the other classes is nothing."""


def class_table(
    scores: torch.Tensor, from_probs: bool, bins: int, factors: torch.Tensor, rows: torch.Tensor, listed: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sums of p and p^2 in each class-wise cell `[2, K M]`, the expected right predictions, and the entries above bin 0."""
    p, cells, prediction, index = _rows(scores, from_probs, bins, factors, rows)
    flat, size = cells.ravel(), p.shape[1] * bins
    moments = np.zeros((2, size))
    for order in (1, 2):
        moments[order - 1] = np.bincount(flat, weights=p.ravel() ** order, minlength=size)
    item, k = np.nonzero(cells % bins) if listed else (np.empty(0, np.int64), np.empty(0, np.int64))
    return (
        torch.from_numpy(moments),
        torch.tensor([p[np.arange(len(p)), prediction].sum()], dtype=torch.float64),
        torch.from_numpy(index[item].astype(np.int32)),
        torch.from_numpy(cells[item, k].astype(np.int32)),
        torch.from_numpy(p[item, k]),
    )


def label_draws(  # noqa: PLR0913 - the arguments of the operator
    scores: torch.Tensor,
    from_probs: bool,
    bins: int,
    factors: torch.Tensor,
    rows: torch.Tensor,
    cells: torch.Tensor,
    num_cells: int,
    first: int,
    draws: int,
    seed: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Right predictions in each cell of items `[C, P]`, and labels in each class-wise cell `[K M, P]`, in each draw."""
    p, class_cells, prediction, _ = _rows(scores, from_probs, bins, factors, rows)
    items, size = np.arange(len(p)), p.shape[1] * bins
    lanes = -(-draws // LANES) * LANES
    right, labels = np.zeros((num_cells, lanes), np.int32), np.zeros((size, lanes), np.int32)
    confidence = p[items, prediction]
    p[items, prediction] = 0
    ends, total, last = _shares(p)
    # A word is at most this for the prediction; with nothing left for the others it always is.
    limit = np.clip(np.ceil(confidence * 2.0**32) - 1, 0, 2.0**32 - 1)
    limit[~((total > LEAST_OTHERS) & (total < np.inf))] = 2.0**32 - 1
    for d in range(lanes):
        words = philox((items[::2] // 2).astype(np.uint64), first + d, seed).reshape(-1, 2)[: len(p)]
        is_right = words[:, 0] <= limit
        share = (words[:, 1] >> np.uint64(1)).astype(np.float64)
        other = np.minimum((ends <= share[:, None]).sum(axis=1), last)
        label = np.where(is_right, prediction, other)
        right[:, d] = np.bincount(cells.numpy()[is_right], minlength=num_cells)
        labels[:, d] = np.bincount(class_cells[items, label], minlength=size)
    return torch.from_numpy(right), torch.from_numpy(labels)


def _shares(p: Floats) -> tuple[Floats, Floats, Ints]:
    """The running share of classes up to k in units of 2^-31 `[R, K]`, the sum of p, and the last class with p > 0, `[R]` each.

    Classes are added in blocks of 64. The sum of a block is that of 8 lanes, each of which adds every 8th class.
    """
    (rows, k), blocks = p.shape, -(-p.shape[1] // BLOCK)
    padded = np.zeros((rows, blocks * BLOCK))
    padded[:, :k] = p
    padded = padded.reshape(rows, blocks, BLOCK)
    lanes = np.zeros((rows, blocks, LANES))
    for j in range(0, BLOCK, LANES):
        lanes += padded[:, :, j : j + LANES]
    before = np.zeros((rows, blocks + 1))
    before[:, 1:] = lanes.cumsum(axis=2)[:, :, -1].cumsum(axis=1)
    running = np.concatenate([before[:, :-1, None], padded], axis=2).cumsum(axis=2)[:, :, 1:]
    total = before[:, -1]
    scale = float(SHARES) / np.where(total > 0, total, 1)[:, None]
    ends = np.floor(running.reshape(rows, blocks * BLOCK)[:, :k] * scale)
    # A block is chosen first, by its own sum, so no class of it ends elsewhere.
    block_ends = np.floor(before[:, 1:-1] * scale)
    for b in range(blocks - 1):
        ends[:, (b + 1) * BLOCK - 1] = block_ends[:, b]
        ends[:, b * BLOCK : (b + 1) * BLOCK] = np.minimum(ends[:, b * BLOCK : (b + 1) * BLOCK], block_ends[:, [b]])
    return ends, total, k - 1 - np.argmax(p[:, ::-1] > 0, axis=1)


def resample_class_gaps(
    counts: torch.Tensor, places: torch.Tensor | None, scores: torch.Tensor, labels: torch.Tensor, from_probs: bool
) -> torch.Tensor:
    """The weighted sum of the gaps of each class in each resample, `[K, P]`, of probabilities rounded to 2^-29."""
    p = _probabilities(scores, from_probs)
    whole = np.floor(p / CLASS_UNIT + 0.5).astype(np.int64)
    whole[np.arange(len(p)), labels.numpy()] -= round(1 / CLASS_UNIT)
    sums = np.zeros((p.shape[1], counts.shape[1]))
    for lane in range(counts.shape[1]):
        weight = counts[:, lane].numpy().astype(np.int64)
        weight = weight[: len(p)] if places is None else weight[places.numpy()]
        sums[:, lane] = (weight @ whole).astype(np.float64) * CLASS_UNIT
    return torch.from_numpy(sums)


def resample_class_errors(
    counts: torch.Tensor,
    entries: torch.Tensor,
    gaps: torch.Tensor,
    cell_ends: torch.Tensor,
    totals: torch.Tensor,
) -> torch.Tensor:
    """The sum over classes and bins of |weighted gap| in each resample, `[P]`."""
    classes, lanes = len(totals), counts.shape[1]
    weights = counts.numpy()
    errors = np.zeros(lanes)
    cell_of = np.repeat(np.arange(len(cell_ends)), np.diff(cell_ends.numpy(), prepend=0))
    sizes = gaps.numpy()[: len(cell_of)] * FIXED_UNIT
    for lane in range(lanes):
        of_entries = weights[entries.numpy()[: len(cell_of)], lane] * sizes
        gap = np.bincount(cell_of, weights=of_entries, minlength=len(cell_ends)).reshape(classes, -1)
        rest = totals[:, lane].numpy() - gap.sum(axis=1)
        errors[lane] = np.abs(gap).sum() + np.abs(rest).sum()
    return torch.from_numpy(errors)


def gap_sizes(labels: torch.Tensor, offset: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """The sum over cells of |offset - factor * count| in each draw, `[P]`."""
    return (offset[:, None] - factor[:, None] * labels.double()).abs().sum(dim=0)


def _probabilities(scores: torch.Tensor, from_probs: bool) -> Floats:
    x = scores.detach().double().numpy()
    if from_probs:
        return x.copy()
    terms = np.exp(x - x.max(axis=1, keepdims=True))
    p: Floats = terms / terms.sum(axis=1, keepdims=True)
    return p


def _rows(
    scores: torch.Tensor, from_probs: bool, bins: int, factors: torch.Tensor, rows: torch.Tensor
) -> tuple[Floats, Ints, Ints, Ints]:
    """Probabilities and cells `[R, K]`, predictions and row numbers `[R]` of the rows to take."""
    index = rows.numpy().astype(np.int64) if len(rows) else np.arange(len(scores))
    chosen = scores.detach()[torch.from_numpy(index)]
    p, prediction = _probabilities(chosen, from_probs), chosen.double().numpy().argmax(axis=1)
    cells = np.arange(p.shape[1]) * bins + bin_of(torch.from_numpy(p), bins).numpy()
    if len(factors):
        p *= factors.numpy()[cells]
        p /= p.sum(axis=1, keepdims=True)
    return p, cells, prediction, index
