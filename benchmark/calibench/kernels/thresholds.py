"""Softmax and sigmoid against thresholds, without storing probabilities: one class or none, or sets of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from calibench.errors import InputError
from calibench.kernels import checks, dispatch, loader
from calibench.kernels.arrays import Array, detached, doubles, is_array, is_numpy, values_of
from calibench.kernels.result import Fault, Result
from calibench.lazy import torch

if TYPE_CHECKING:
    import numpy.typing as npt

Thresholds: TypeAlias = "float | Sequence[float] | torch.Tensor | npt.NDArray[Any]"
"""One number for all classes, or one for each of the K."""

_ONE_OR_EACH = "give one number for all classes, or one for each"


class ThresholdDecision(Result[Array]):
    """The decision of each of N rows."""

    prediction: Array
    """[N] int64, the most probable class among those that pass (the lowest index on ties); -1 where none passes."""
    confidence: Array
    """[N] float64, the probability of the predicted class, or of the argmax where none passes."""


class ThresholdSets(Result[Array]):
    """The classes that pass in each of N rows."""

    sets: Array
    """[N, K] bool."""
    sizes: Array
    """[N] int64, number of classes that pass."""


def softmax_threshold(logits: Array, thresholds: Thresholds, *, strict: bool = False) -> ThresholdDecision[Array]:
    """The most probable class among those with p_k >= t_k (`strict`: >), else -1, for logits `[N, K]`.

    p_k = exp(x_k - max) / (1 + r), r the sum of exp(x_j - max) over j != argmax, in float64 from the exact stored
    values. `thresholds` is one number or `[K]`. A class with a threshold above 1 never passes, with one at or below 0
    always.

    float64, float32, bfloat16 or float16, any strides, K >= 1, N >= 0. Raises InputError for a wrong number of
    thresholds, for a NaN threshold (not checked on a GPU), and for the lowest row with a score that is not finite (on
    CUDA when a field is first read).
    """
    prediction, confidence, flag = _run("softmax_threshold", logits, thresholds, strict)
    return ThresholdDecision._of((prediction, confidence), flag)


def softmax_threshold_sets(logits: Array, thresholds: Thresholds, *, strict: bool = False) -> ThresholdSets[Array]:
    """The sets {k: p_k >= t_k} (`strict`: >) of each row of logits `[N, K]`, and their sizes; p as in `softmax_threshold`.

    Errors as in `softmax_threshold`. The call stores no `[N, K]` array but the sets, one byte an entry.
    """
    sets, sizes, flag = _run("softmax_threshold_sets", logits, thresholds, strict)
    return ThresholdSets._of((sets, sizes), flag)


def sigmoid_threshold(logits: Array, thresholds: Thresholds, *, strict: bool = False) -> ThresholdSets[Array]:
    """The labels with p_k >= t_k (`strict`: >), p_k = 1 / (1 + exp(-x_k)) in float64, each on its own (multi-label).

    Errors as in `softmax_threshold`. The call stores no `[N, K]` array but the sets, one byte an entry.
    """
    sets, sizes, flag = _run("sigmoid_threshold", logits, thresholds, strict)
    return ThresholdSets._of((sets, sizes), flag)


def _run(caller: str, logits: Array, thresholds: Thresholds, strict: bool) -> tuple[Array, Array, Fault | None]:
    checks.check_scores(caller, logits)
    limits = as_thresholds(caller, thresholds, logits)
    if not loader.fused(logits, caller):
        first, second = dispatch.define(caller, caller, logits, limits, strict)
        return first, second, None
    first, second, flag = dispatch.call(caller, caller, detached(logits), limits, strict)
    return first, second, dispatch.fault(caller, flag, logits.shape[1])


def as_thresholds(caller: str, thresholds: Thresholds, logits: Array) -> Array:
    """Thresholds as float64 `[1]` or `[K]` of the kind of the logits; InputError unless they are one or K numbers."""
    if is_array(thresholds) and is_numpy(thresholds) == is_numpy(logits):
        return _from_array(caller, cast(Array, thresholds), logits)
    classes = logits.shape[1]
    if isinstance(thresholds, (int, float)) and not isinstance(thresholds, bool):
        _refuse_nan(caller, math.isnan(thresholds))
        if is_numpy(logits):
            return np.full((1,), float(thresholds))
        # A CUDA graph can capture a fill, but not a copy from the host.
        return torch.full((1,), float(thresholds), dtype=torch.float64, device=logits.device)
    if isinstance(thresholds, (bool, str, bytes)) or not hasattr(thresholds, "__len__"):
        raise InputError(f"{caller}: the threshold is {thresholds!r}, not a number", _number_hint(thresholds))
    try:
        values = [float(t) for t in thresholds]
    except (TypeError, ValueError):
        raise InputError(f"{caller}: thresholds are {thresholds!r}, not numbers", _ONE_OR_EACH) from None
    _refuse_length(caller, len(values), classes)
    _refuse_nan(caller, any(math.isnan(t) for t in values))
    if is_numpy(logits):
        return np.array(values, dtype=np.float64)
    return torch.tensor(values, dtype=torch.float64, device=logits.device)


def _from_array(caller: str, thresholds: Array, logits: Array) -> Array:
    checks.check_array(caller, "thresholds", thresholds)
    checks.refuse_gradient(caller, thresholds, "thresholds")
    if thresholds.ndim > 1:
        message = f"{caller}: thresholds have shape {list(thresholds.shape)}, not [1] or [K]"
        hint = _ONE_OR_EACH
        if math.prod(thresholds.shape) in {1, logits.shape[1]}:
            hint = "did you mean thresholds.flatten()?"
        raise InputError(message, hint)
    if not checks.dtype_name(thresholds.dtype).startswith(("int", "uint", "float", "bfloat")):
        raise InputError(
            f"{caller}: thresholds have type {checks.dtype_name(thresholds.dtype)}", "thresholds are numbers"
        )
    flat = detached(thresholds).reshape(-1)
    _refuse_length(caller, flat.shape[0], logits.shape[1])
    if checks.readable(flat):
        _refuse_nan(caller, bool(np.isnan(values_of(flat)).any()))
    return doubles(flat, logits)


def _refuse_length(caller: str, count: int, classes: int) -> None:
    if count not in {1, classes}:
        raise InputError(f"{caller}: {count} thresholds for {classes} classes", _ONE_OR_EACH)


def _refuse_nan(caller: str, any_nan: bool) -> None:
    if any_nan:
        raise InputError(f"{caller}: a threshold is NaN", "the threshold of a class that must never pass is inf")


def _number_hint(value: object) -> str:
    try:
        return f"did you mean {float(value):g}?"  # type: ignore[arg-type]  # it may be a str or bytes of a number
    except (TypeError, ValueError):
        return _ONE_OR_EACH
