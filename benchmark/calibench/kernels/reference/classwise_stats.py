"""The definition of `classwise_stats`."""

from __future__ import annotations

import torch

from calibench.kernels import state as running
from calibench.kernels.reference.rows import bin_of, blocks, one_thread, softmax

ROWS = 1024
"""Rows added up plainly before the sum is compensated: their error stays below 1024 roundings, 1.2e-13."""


def classwise_stats(
    caller: str,
    scores: torch.Tensor,
    labels: torch.Tensor,
    edges: torch.Tensor,
    bins: int,
    from_probs: bool,
    threshold: float,
) -> torch.Tensor:
    """Count, sum of p_k and count of label == k, `[3, K, M]`; edges are `[0]` (equal width), `[M-1]` or `[K, M-1]`."""
    classes = scores.shape[1]
    with one_thread():
        # One row per cell, in the layout of running sums: count, labels, sum of p, its carry.
        cells = torch.zeros((classes * bins, 4), dtype=torch.float64, device=scores.device)
        for _, x, y in blocks(caller, scores, labels, from_probs, ROWS):
            running.add(cells, _block(x, y, edges, bins, from_probs, threshold))
        sums = torch.stack([cells[:, 0], cells[:, 2] + cells[:, 3], cells[:, 1]])
        return sums.reshape(3, classes, bins)


def _block(
    x: torch.Tensor, labels: torch.Tensor, edges: torch.Tensor, bins: int, from_probs: bool, threshold: float
) -> torch.Tensor:
    p = x
    if not from_probs:
        e, _, tail = softmax(x)
        p = e / (1 + tail)[:, None]
    classes = x.shape[1]
    cell = torch.arange(classes, device=x.device) * bins + _bins(p, edges, bins)
    counted = p > threshold
    true = torch.zeros_like(counted).scatter(1, labels[:, None], True) & counted
    part = torch.zeros((classes * bins, 4), dtype=torch.float64, device=x.device)
    part[:, 0] = torch.bincount(cell[counted], minlength=classes * bins)
    part[:, 1] = torch.bincount(cell[true], minlength=classes * bins)
    part[:, 2] = torch.bincount(cell[counted], weights=p[counted], minlength=classes * bins)
    return part


def _bins(p: torch.Tensor, edges: torch.Tensor, bins: int) -> torch.Tensor:
    """The bin `[N, K]` of each probability: the number of edges below it."""
    if edges.numel() == 0:
        return bin_of(p, bins)
    if edges.ndim == 1:
        return torch.searchsorted(edges, p, right=False)
    return torch.searchsorted(edges, p.T.contiguous(), right=False).T
