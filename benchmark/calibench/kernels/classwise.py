"""`classwise_stats`: for each class and bin of its own probability, what classwise ECE, ACE and TACE are made of."""

from __future__ import annotations

import math

import torch

from calibench.errors import InputError
from calibench.kernels import checks, dispatch, loader, reference
from calibench.kernels.result import Result

NO_THRESHOLD = -1.0
"""Every probability is above it."""


class ClasswiseStats(Result):
    """Sums over N rows for K classes in M bins each, all float64 `[K, M]`: counts exact, sums to 1e-12 relative."""

    count: torch.Tensor
    """[K, M] rows whose p_k lies in the bin (and above the threshold)."""
    prob_sum: torch.Tensor
    """[K, M] sum of those p_k."""
    label_sum: torch.Tensor
    """[K, M] of those rows, the ones whose label is k."""


def classwise_stats(
    logits: torch.Tensor,
    labels: torch.Tensor,
    bins: int | torch.Tensor = 15,
    *,
    from_probs: bool = False,
    threshold: float | None = None,
) -> ClasswiseStats:
    """Bin sums of every class's probability over logits `[N, K]`, in one pass and without an `[N, K]` temporary.

    p_k = exp(x_k - max) / (1 + r) in float64, or the scores themselves (`from_probs`). `bins` is M equal bins
    (k/M, (k+1)/M], or interior edges, ascending, `[M-1]` for all classes or `[K, M-1]`: the bin is the number of edges
    below p, so (lo, hi]. With `threshold` only p_k > threshold is counted (0.01 for TACE).

    Types, strides and bad rows as in `calibration_stats`. Raises InputError; edges that lie on a GPU are not looked at.
    """
    where = "classwise_stats"
    checks.check_scores(where, logits)
    checks.check_labels(where, labels, logits)
    edges, count = _edges(where, bins, logits)
    above = NO_THRESHOLD if threshold is None else _threshold(where, threshold)
    if not loader.fused(logits.device, where):
        sums = reference.classwise_stats(where, logits, labels, edges, count, from_probs, above)
        return ClasswiseStats(sums[0], sums[1], sums[2])
    sums, flag = dispatch.call(where, where, logits.detach(), labels, edges, count, from_probs, above)
    return ClasswiseStats._of((sums[0], sums[1], sums[2]), dispatch.fault(where, flag, logits.shape[1]))


def _edges(where: str, bins: int | torch.Tensor, logits: torch.Tensor) -> tuple[torch.Tensor, int]:
    """The operator's edges, float64 on the device of the logits and empty for equal widths, and M."""
    if not isinstance(bins, torch.Tensor):
        checks.check_bins(where, bins)
        return logits.new_empty((0,), dtype=torch.float64), bins
    classes = logits.shape[1]
    if bins.ndim not in {1, 2} or (bins.ndim == 2 and bins.shape[0] != classes):
        hint = f"one row of interior edges for all classes, or one for each of the {classes}"
        if bins.ndim == 0:
            hint = f"did you mean bins={bins.item():g}, a number?" if checks.readable(bins) else hint
        elif bins.ndim == 2 and bins.shape[1] == classes:
            hint = "did you mean edges.T? One row a class"
        raise InputError(f"{where}: edges have shape {list(bins.shape)}, not [M-1] or [K, M-1]", hint)
    if not bins.is_floating_point():
        raise InputError(f"{where}: edges have type {checks.name(bins.dtype)}", "edges are probabilities, as float64")
    checks.refuse_gradient(where, bins, "edges")
    count = bins.shape[-1] + 1
    checks.check_bins(where, count)
    if checks.readable(bins):
        _check_edges(where, bins)
    if count == 1:  # one bin needs no edge, and no row of them for each class
        return logits.new_empty((0,), dtype=torch.float64), 1
    return bins.detach().to(device=logits.device, dtype=torch.float64).contiguous(), count


def _check_edges(where: str, edges: torch.Tensor) -> None:
    if bool(edges.isnan().any()):
        raise InputError(f"{where}: an edge is NaN", "edges are probabilities in ascending order")
    falls = (edges.diff(dim=-1) < 0).nonzero()
    if len(falls):
        at = tuple(falls[0].tolist())
        after = (*at[:-1], at[-1] + 1)
        first, second = float(edges[at]), float(edges[after])
        row = f" of class {at[0]}" if edges.ndim == 2 else ""
        message = f"{where}: edges{row} do not ascend: {first:g} stands before {second:g}"
        raise InputError(message, "did you mean edges.sort(dim=-1).values?")


def _threshold(where: str, threshold: float) -> float:
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or math.isnan(threshold):
        raise InputError(f"{where}: threshold is {threshold!r}, not a probability", "0.01 is usual; None counts all")
    return float(threshold)
