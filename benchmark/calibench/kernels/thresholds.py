"""Softmax and sigmoid against thresholds, without building probabilities: one class or none, or sets of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from calibench.errors import InputError
from calibench.kernels import checks, dispatch, loader, reference
from calibench.kernels.result import Fault, Result

Thresholds = float | Sequence[float] | torch.Tensor
"""One number for all classes, or one for each of the K."""


class ThresholdDecision(Result):
    """What each of N rows answers."""

    prediction: torch.Tensor
    """[N] int64, the most probable class among those that pass, the lowest index on ties; -1 where none passes."""
    confidence: torch.Tensor
    """[N] float64, the probability of that class; of the argmax where none passes."""


class ThresholdSets(Result):
    """Which classes pass in each of N rows."""

    sets: torch.Tensor
    """[N, K] bool."""
    sizes: torch.Tensor
    """[N] int64, how many pass."""


def softmax_threshold(logits: torch.Tensor, thresholds: Thresholds, *, strict: bool = False) -> ThresholdDecision:
    """The most probable class among those with p_k >= t_k (`strict`: >), else -1, for logits `[N, K]`.

    p_k = exp(x_k - max) / (1 + r), r the sum of exp(x_j - max) over j != argmax, in float64 from the exact stored
    values. `thresholds` is one number, or `[K]`; above 1 a class never passes, at or below 0 it always does.

    float64, float32, bfloat16 or float16, any strides, K >= 1, N >= 0. Raises InputError for NaN and for a wrong number
    of thresholds (which are not looked at where they lie on a GPU), and for the lowest row with a score that is not
    finite; on CUDA that is told at the first look at a field.
    """
    prediction, confidence, flag = _run("softmax_threshold", logits, thresholds, strict)
    return ThresholdDecision._of((prediction, confidence), flag)


def softmax_threshold_sets(logits: torch.Tensor, thresholds: Thresholds, *, strict: bool = False) -> ThresholdSets:
    """The sets {k: p_k >= t_k} (`strict`: >) of each row of logits `[N, K]`, and their sizes; p as `softmax_threshold`.

    Errors as there; the sets `[N, K]` of bool are all the memory it takes.
    """
    sets, sizes, flag = _run("softmax_threshold_sets", logits, thresholds, strict)
    return ThresholdSets._of((sets, sizes), flag)


def sigmoid_threshold(logits: torch.Tensor, thresholds: Thresholds, *, strict: bool = False) -> ThresholdSets:
    """The labels with p_k >= t_k (`strict`: >), p_k = 1 / (1 + exp(-x_k)) in float64, each on its own (multi-label).

    Errors as `softmax_threshold`; the sets `[N, K]` of bool are all the memory it takes.
    """
    sets, sizes, flag = _run("sigmoid_threshold", logits, thresholds, strict)
    return ThresholdSets._of((sets, sizes), flag)


_REFERENCE = {
    "softmax_threshold": reference.softmax_threshold,
    "softmax_threshold_sets": reference.softmax_threshold_sets,
    "sigmoid_threshold": reference.sigmoid_threshold,
}


def _run(
    where: str, logits: torch.Tensor, thresholds: Thresholds, strict: bool
) -> tuple[torch.Tensor, torch.Tensor, Fault | None]:
    checks.check_scores(where, logits)
    limits = as_thresholds(where, thresholds, logits)
    if not loader.fused(logits.device, where):
        first, second = _REFERENCE[where](where, logits, limits, strict)
        return first, second, None
    first, second, flag = dispatch.call(where, where, logits.detach(), limits, strict)
    return first, second, dispatch.fault(where, flag, logits.shape[1])


def as_thresholds(where: str, thresholds: Thresholds, logits: torch.Tensor) -> torch.Tensor:
    """Thresholds as float64 `[1]` or `[K]` on the device of the logits; InputError for what is not one or K numbers."""
    if isinstance(thresholds, torch.Tensor):
        return _from_tensor(where, thresholds, logits)
    classes = logits.shape[1]
    if isinstance(thresholds, (int, float)) and not isinstance(thresholds, bool):
        _refuse_nan(where, math.isnan(thresholds))
        # A fill, not a copy from the host, so that it can be captured in a CUDA graph.
        return torch.full((1,), float(thresholds), dtype=torch.float64, device=logits.device)
    if isinstance(thresholds, (bool, str, bytes)) or not hasattr(thresholds, "__len__"):
        raise InputError(f"{where}: the threshold is {thresholds!r}, not a number", _hint(thresholds))
    try:
        values = [float(t) for t in thresholds]
    except (TypeError, ValueError):
        message = f"{where}: thresholds are {thresholds!r}, not numbers"
        raise InputError(message, "one number for all classes, or one a class") from None
    _refuse_length(where, len(values), classes)
    _refuse_nan(where, any(math.isnan(t) for t in values))
    return torch.tensor(values, dtype=torch.float64, device=logits.device)


def _from_tensor(where: str, thresholds: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    checks.refuse_gradient(where, thresholds, "thresholds")
    if thresholds.ndim > 1:
        message = f"{where}: thresholds have shape {list(thresholds.shape)}, not [1] or [K]"
        hint = "one number for all classes, or one a class"
        if thresholds.numel() in {1, logits.shape[1]}:
            hint = "did you mean thresholds.flatten()?"
        raise InputError(message, hint)
    if thresholds.is_complex() or thresholds.dtype == torch.bool:
        raise InputError(f"{where}: thresholds have type {checks.name(thresholds.dtype)}", "thresholds are numbers")
    flat = thresholds.detach().reshape(-1)
    _refuse_length(where, flat.shape[0], logits.shape[1])
    if checks.readable(flat):
        _refuse_nan(where, bool(flat.isnan().any()))
    return flat.to(device=logits.device, dtype=torch.float64).contiguous()


def _refuse_length(where: str, count: int, classes: int) -> None:
    if count not in {1, classes}:
        message = f"{where}: {count} thresholds for {classes} classes"
        raise InputError(message, "give one threshold for all classes, or one for each")


def _refuse_nan(where: str, found: bool) -> None:
    if found:
        raise InputError(f"{where}: a threshold is NaN", "a class that never answers has the threshold inf")


def _hint(value: object) -> str:
    try:
        return f"did you mean {float(value):g}?"  # type: ignore[arg-type]  # a str or bytes of a number, or not
    except (TypeError, ValueError):
        return "one number for all classes, or one a class"
