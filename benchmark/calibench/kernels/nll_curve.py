"""`nll_curve`: the NLL of softmax(logits / T) and its derivatives in log T, at several T in one pass."""

from __future__ import annotations

from collections.abc import Sequence

from calibench.errors import InputError
from calibench.kernels import checks, dispatch, loader
from calibench.kernels.result import Result
from calibench.lazy import torch


class NllCurve(Result):
    """Sums over N rows at T temperatures, float64 `[T]`; u = log T."""

    nll_sum: torch.Tensor
    """[T] sum of -ln p_y, nats."""
    slope_sum: torch.Tensor
    """[T] first derivative of the sum in u."""
    curvature_sum: torch.Tensor
    """[T] second derivative of the sum in u."""


def nll_curve(logits: torch.Tensor, labels: torch.Tensor, log_temperatures: Sequence[float] | torch.Tensor) -> NllCurve:
    """NLL of softmax(x / T) over logits `[N, K]`, and its first two derivatives in u = log T, at each u.

    With b = 1/T, d_j = x_j - max and p = softmax(x/T), summed over rows:
    NLL = log sum_j exp(b d_j) - b d_y, dNLL/du = -b (E_p[d] - d_y), d2NLL/du2 = b (E_p[d] - d_y) + b^2 Var_p[d].

    Types, strides and bad rows as in `calibration_stats`. Raises InputError, also for a u that is not finite.
    """
    return curve_of("nll_curve", logits, labels, log_temperatures)


def curve_of(
    caller: str, logits: torch.Tensor, labels: torch.Tensor, log_temperatures: Sequence[float] | torch.Tensor
) -> NllCurve:
    """`nll_curve` for another public function, whose name `caller` starts the messages of errors."""
    checks.check_scores(caller, logits)
    checks.check_labels(caller, labels, logits)
    u = _as_tensor(caller, log_temperatures, logits.device)
    if not loader.fused(logits, "nll_curve"):
        curve = dispatch.define("nll_curve", caller, logits, labels, u)
        return NllCurve(curve[0], curve[1], curve[2])
    curve, flag = dispatch.call(caller, "nll_curve", logits.detach(), labels, u)
    return NllCurve._of((curve[0], curve[1], curve[2]), dispatch.fault(caller, flag, logits.shape[1]))


def _as_tensor(caller: str, values: Sequence[float] | torch.Tensor, device: torch.device) -> torch.Tensor:
    if isinstance(values, torch.Tensor):
        u = values.detach().to(device=device, dtype=torch.float64)
    else:
        u = torch.tensor([float(v) for v in values], dtype=torch.float64, device=device)
    if u.ndim != 1:
        hint = "did you mean [u]?" if u.ndim == 0 else "one number for each temperature"
        raise InputError(f"{caller}: log_temperatures have shape {list(u.shape)}, not [T]", hint)
    if checks.readable(u) and not bool(u.isfinite().all()):
        raise InputError(f"{caller}: a log temperature is not finite", "u = log T, and T > 0")
    return u.contiguous()
