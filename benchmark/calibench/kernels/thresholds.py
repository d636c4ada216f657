"""Softmax and sigmoid against thresholds, without storing probabilities: one class or none, or sets of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

from calibench.errors import InputError
from calibench.kernels import checks, dispatch, loader
from calibench.kernels.result import Fault, Result
from calibench.lazy import torch

Thresholds: TypeAlias = "float | Sequence[float] | torch.Tensor"
"""One number for all classes, or one for each of the K."""

_ONE_OR_EACH = "give one number for all classes, or one for each"


class ThresholdDecision(Result):
    """The decision of each of N rows."""

    prediction: torch.Tensor
    """[N] int64, the most probable class among those that pass (the lowest index on ties); -1 where none passes."""
    confidence: torch.Tensor
    """[N] float64, the probability of the predicted class, or of the argmax where none passes."""


class ThresholdSets(Result):
    """The classes that pass in each of N rows."""

    sets: torch.Tensor
    """[N, K] bool."""
    sizes: torch.Tensor
    """[N] int64, number of classes that pass."""


def softmax_threshold(logits: torch.Tensor, thresholds: Thresholds, *, strict: bool = False) -> ThresholdDecision:
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


def softmax_threshold_sets(logits: torch.Tensor, thresholds: Thresholds, *, strict: bool = False) -> ThresholdSets:
    """The sets {k: p_k >= t_k} (`strict`: >) of each row of logits `[N, K]`, and their sizes; p as in `softmax_threshold`.

    Errors as in `softmax_threshold`. The call stores no `[N, K]` array but the sets, one byte an entry.
    """
    sets, sizes, flag = _run("softmax_threshold_sets", logits, thresholds, strict)
    return ThresholdSets._of((sets, sizes), flag)


def sigmoid_threshold(logits: torch.Tensor, thresholds: Thresholds, *, strict: bool = False) -> ThresholdSets:
    """The labels with p_k >= t_k (`strict`: >), p_k = 1 / (1 + exp(-x_k)) in float64, each on its own (multi-label).

    Errors as in `softmax_threshold`. The call stores no `[N, K]` array but the sets, one byte an entry.
    """
    sets, sizes, flag = _run("sigmoid_threshold", logits, thresholds, strict)
    return ThresholdSets._of((sets, sizes), flag)


def _run(
    caller: str, logits: torch.Tensor, thresholds: Thresholds, strict: bool
) -> tuple[torch.Tensor, torch.Tensor, Fault | None]:
    checks.check_scores(caller, logits)
    limits = as_thresholds(caller, thresholds, logits)
    if not loader.fused(logits, caller):
        first, second = dispatch.define(caller, caller, logits, limits, strict)
        return first, second, None
    first, second, flag = dispatch.call(caller, caller, logits.detach(), limits, strict)
    return first, second, dispatch.fault(caller, flag, logits.shape[1])


def as_thresholds(caller: str, thresholds: Thresholds, logits: torch.Tensor) -> torch.Tensor:
    """Thresholds as float64 `[1]` or `[K]` on the device of the logits; InputError unless they are one or K numbers."""
    if isinstance(thresholds, torch.Tensor):
        return _from_tensor(caller, thresholds, logits)
    classes = logits.shape[1]
    if isinstance(thresholds, (int, float)) and not isinstance(thresholds, bool):
        _refuse_nan(caller, math.isnan(thresholds))
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
    return torch.tensor(values, dtype=torch.float64, device=logits.device)


def _from_tensor(caller: str, thresholds: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    checks.refuse_gradient(caller, thresholds, "thresholds")
    if thresholds.ndim > 1:
        message = f"{caller}: thresholds have shape {list(thresholds.shape)}, not [1] or [K]"
        hint = _ONE_OR_EACH
        if thresholds.numel() in {1, logits.shape[1]}:
            hint = "did you mean thresholds.flatten()?"
        raise InputError(message, hint)
    if thresholds.is_complex() or thresholds.dtype == torch.bool:
        raise InputError(
            f"{caller}: thresholds have type {checks.dtype_name(thresholds.dtype)}", "thresholds are numbers"
        )
    flat = thresholds.detach().reshape(-1)
    _refuse_length(caller, flat.shape[0], logits.shape[1])
    if checks.readable(flat):
        _refuse_nan(caller, bool(flat.isnan().any()))
    return flat.to(device=logits.device, dtype=torch.float64).contiguous()


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
