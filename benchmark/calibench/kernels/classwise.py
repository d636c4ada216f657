"""`classwise_stats`: the sums of classwise ECE, ACE and TACE, for each class and bin of its probability."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from calibench.errors import InputError
from calibench.kernels import checks, dispatch, loader
from calibench.kernels.arrays import Array, detached, doubles, empty_like, is_array, is_numpy, values_of
from calibench.kernels.result import Result

NO_THRESHOLD = -1.0
"""The operator's threshold if there is none: every probability is above it."""


class ClasswiseStats(Result[Array]):
    """Sums over N rows for K classes in M bins each, all float64 `[K, M]`: counts exact, sums to 1e-12 relative."""

    count: Array
    """[K, M] rows whose p_k is in the bin (and above the threshold)."""
    prob_sum: Array
    """[K, M] sum of those p_k."""
    label_sum: Array
    """[K, M] those of the rows whose label is k."""


def classwise_stats(
    logits: Array,
    labels: Array,
    bins: int | Array = 15,
    *,
    from_probs: bool = False,
    threshold: float | None = None,
) -> ClasswiseStats[Array]:
    """Bin sums of every class's probability over logits `[N, K]`, in one pass and without an `[N, K]` temporary.

    p_k = exp(x_k - max) / (1 + r) in float64, or the scores themselves (`from_probs`). `bins` is the number M of equal
    bins (k/M, (k+1)/M], or interior edges, ascending, `[M-1]` for all classes or `[K, M-1]`. The bin of p is the number
    of edges below p, so bins are (lo, hi]. With `threshold` only p_k > threshold is counted (0.01 for TACE).

    Types, strides and bad rows as in `calibration_stats`. Raises InputError. The values of edges on a GPU are not
    checked.
    """
    caller = "classwise_stats"
    checks.check_scores(caller, logits)
    checks.check_labels(caller, labels, logits)
    edges, count = _edges(caller, bins, logits)
    above = NO_THRESHOLD if threshold is None else _checked_threshold(caller, threshold)
    if not loader.fused(logits, caller):
        sums = dispatch.define("classwise_stats", caller, logits, labels, edges, count, from_probs, above)
        return ClasswiseStats(sums[0], sums[1], sums[2])
    inputs = detached(logits), labels, edges, count, from_probs, above
    sums, flag = dispatch.call(caller, caller, *inputs)
    return ClasswiseStats._of((sums[0], sums[1], sums[2]), dispatch.fault(caller, flag, logits.shape[1]))


def _edges(caller: str, bins: int | Array, logits: Array) -> tuple[Array, int]:
    """The operator's edges, float64 on the device of the logits and empty for equal widths, and M."""
    if isinstance(bins, int) or not is_array(bins):
        return empty_like(logits, "float64"), checks.check_bins(caller, bins)
    checks.check_array(caller, "edges", bins)
    checks.refuse_two_kinds(caller, logits, bins)
    _check_edge_shape(caller, bins, logits.shape[1])
    if not checks.dtype_name(bins.dtype).startswith(("float", "bfloat")):
        raise InputError(
            f"{caller}: edges have type {checks.dtype_name(bins.dtype)}", "edges are probabilities, as float64"
        )
    checks.refuse_gradient(caller, bins, "edges")
    count = bins.shape[-1] + 1
    checks.check_bins(caller, count)
    if checks.readable(bins):
        hint = "did you mean numpy.sort(edges)?" if is_numpy(bins) else "did you mean edges.sort(dim=-1).values?"
        _check_edge_values(caller, values_of(bins), hint)
    if count == 1:  # one bin has no edges, so K rows of no edges become none
        return empty_like(logits, "float64"), 1
    return doubles(bins, logits), count


def _check_edge_shape(caller: str, edges: Array, classes: int) -> None:
    if edges.ndim == 1 or (edges.ndim == 2 and edges.shape[0] == classes):
        return
    hint = f"one row of interior edges for all classes, or one for each of the {classes}"
    if edges.ndim == 0 and checks.readable(edges):
        hint = f"did you mean bins={edges.item():g}, a number?"
    elif edges.ndim == 2 and edges.shape[1] == classes:
        hint = "did you mean edges.T? Give one row per class"
    raise InputError(f"{caller}: edges have shape {list(edges.shape)}, not [M-1] or [K, M-1]", hint)


def _check_edge_values(caller: str, edges: npt.NDArray[Any], hint: str) -> None:
    if np.isnan(edges).any():
        raise InputError(f"{caller}: an edge is NaN", "edges are probabilities in ascending order")
    falls = np.argwhere(np.diff(edges, axis=-1) < 0)
    if len(falls):
        index = tuple(falls[0].tolist())
        after = (*index[:-1], index[-1] + 1)
        row = f" of class {index[0]}" if edges.ndim == 2 else ""
        message = f"{caller}: edges{row} do not ascend: {float(edges[index]):g} stands before {float(edges[after]):g}"
        raise InputError(message, hint)


def _checked_threshold(caller: str, threshold: float) -> float:
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or math.isnan(threshold):
        raise InputError(
            f"{caller}: threshold is {threshold!r}, not a probability", "0.01 is usual; None counts every probability"
        )
    return float(threshold)
