"""`nll_curve`: the NLL of softmax(logits / T) and its derivatives in log T, at several T in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from calibench.errors import InputError
from calibench.kernels import checks, dispatch, loader
from calibench.kernels.arrays import Array, detached, doubles, is_array, is_numpy, values_of
from calibench.kernels.result import Result
from calibench.lazy import torch


class NllCurve(Result[Array]):
    """Sums over N rows at T temperatures, float64 `[T]`; u = log T."""

    nll_sum: Array
    """[T] sum of -ln p_y, nats."""
    slope_sum: Array
    """[T] first derivative of the sum in u."""
    curvature_sum: Array
    """[T] second derivative of the sum in u."""


def nll_curve(logits: Array, labels: Array, log_temperatures: Sequence[float] | Array) -> NllCurve[Array]:
    """NLL of softmax(x / T) over logits `[N, K]`, and its first two derivatives in u = log T, at each u.

    With b = 1/T, d_j = x_j - max and p = softmax(x/T), summed over rows:
    NLL = log sum_j exp(b d_j) - b d_y, dNLL/du = -b (E_p[d] - d_y), d2NLL/du2 = b (E_p[d] - d_y) + b^2 Var_p[d].

    Types, strides and bad rows as in `calibration_stats`. Raises InputError, also for a u that is not finite.
    """
    return curve_of("nll_curve", logits, labels, log_temperatures)


def curve_of(caller: str, logits: Array, labels: Array, log_temperatures: Sequence[float] | Array) -> NllCurve[Array]:
    """`nll_curve` for another public function, whose name `caller` starts the messages of errors."""
    checks.check_scores(caller, logits)
    checks.check_labels(caller, labels, logits)
    u = _checked(caller, log_temperatures, logits)
    if not loader.fused(logits, "nll_curve"):
        curve = dispatch.define("nll_curve", caller, logits, labels, u)
        return NllCurve(curve[0], curve[1], curve[2])
    curve, flag = dispatch.call(caller, "nll_curve", detached(logits), labels, u)
    return NllCurve._of((curve[0], curve[1], curve[2]), dispatch.fault(caller, flag, logits.shape[1]))


def _checked(caller: str, values: Sequence[float] | Array, logits: Array) -> Array:
    """The log temperatures as float64 `[T]` of the kind of the logits."""
    if is_array(values) and is_numpy(values) == is_numpy(logits):
        u: Array = doubles(cast(Array, values), logits)
    elif is_numpy(logits):
        u = np.array([float(v) for v in values], dtype=np.float64)
    else:
        u = torch.tensor([float(v) for v in values], dtype=torch.float64, device=logits.device)
    if u.ndim != 1:
        hint = "did you mean [u]?" if u.ndim == 0 else "one number for each temperature"
        raise InputError(f"{caller}: log_temperatures have shape {list(u.shape)}, not [T]", hint)
    if checks.readable(u) and not np.isfinite(values_of(u)).all():
        raise InputError(f"{caller}: a log temperature is not finite", "u = log T, and T > 0")
    return u
