"""`bootstrap_bins`: the bin sums of many resamples, none of which is ever written down."""

from __future__ import annotations

import torch

from calibench.errors import InputError
from calibench.kernels import checks, dispatch, loader, reference
from calibench.kernels.result import Result

MAX_SEED = (1 << 63) - 1


class BootstrapBins(Result):
    """Sums over the N draws of each of B resamples in M bins, float64 `[B, M]`, the same bits on every backend."""

    count: torch.Tensor
    """[B, M] draws in the bin."""
    confidence_sum: torch.Tensor
    """[B, M] sum of their confidences, rounded to 2^-52 each (2^-(62 - log2 N) beyond a thousand samples)."""
    correct_sum: torch.Tensor
    """[B, M] of those draws, the correct ones."""


def bootstrap_bins(
    confidence: torch.Tensor, correct: torch.Tensor, bins: int = 15, *, resamples: int = 1000, seed: int = 0
) -> BootstrapBins:
    """Bin sums of B resamples, each of N draws with replacement from N samples, by their confidence `[N]`.

    The draws come from Philox4x32-10 under the key `seed`, counted by resample and draw, and confidences enter as
    whole multiples of 2^-s, s = min(52, 62 - ceil(log2 N)): so a seed gives the same bits on every backend and with
    every number of threads. `correct` `[N]` is bool, or numbers 0 and 1 (looked at, which on a GPU means waiting); bins
    as in `calibration_stats`.

    Raises InputError for B < 1, a seed outside [0, 2^63), and the lowest confidence that is not in [0, 1 + 1e-3].
    """
    where = "bootstrap_bins"
    _check(where, confidence, correct)
    checks.check_bins(where, bins)
    _check_whole(where, "resamples", resamples, 1, checks.MAX_BINS, "1000 is usual")
    _check_whole(where, "seed", seed, 0, MAX_SEED, "any whole number from 0 to 2^63 - 1")
    hits = correct if correct.dtype == torch.bool else correct != 0
    values = confidence.detach().double()
    if not loader.fused(confidence.device, where):
        sums = reference.bootstrap_bins(where, values, hits, bins, resamples, seed)
        return BootstrapBins(sums[:, 0], sums[:, 1], sums[:, 2])
    if checks.readable(values):  # the operator looks too, but knows only of scores
        checks.refuse_confidence(where, values)
    sums, flag = dispatch.call(where, where, values, hits, bins, resamples, seed)
    return BootstrapBins._of((sums[:, 0], sums[:, 1], sums[:, 2]), dispatch.fault(where, flag, 0))


def _check(where: str, confidence: torch.Tensor, correct: torch.Tensor) -> None:
    for what, value in (("confidences", confidence), ("correct", correct)):
        checks.check_tensor(where, what, value)
        if value.ndim != 1:
            raise InputError(f"{where}: {what} have shape {list(value.shape)}, not [N]", "one number per sample")
    if confidence.dtype not in checks.SCORE_TYPES:
        raise InputError(f"{where}: confidences have type {checks.name(confidence.dtype)}", "use float64")
    checks.refuse_gradient(where, confidence, "confidence")
    if confidence.shape[0] != correct.shape[0]:
        message = f"{where}: {confidence.shape[0]} confidences and {correct.shape[0]} answers in correct"
        raise InputError(message, "they must be of one length")
    if confidence.device != correct.device:
        message = f"{where}: confidences are on {confidence.device} and correct on {correct.device}"
        raise InputError(message, "move one with .to(device)")
    if correct.is_complex():
        raise InputError(
            f"{where}: correct has type {checks.name(correct.dtype)}", "did you mean prediction == labels?"
        )
    if correct.dtype != torch.bool and not torch.compiler.is_compiling():
        odd = ((correct != 0) & (correct != 1)).nonzero()
        if len(odd):
            row = int(odd[0])
            message = f"{where}: row {row}: correct is {correct[row].item():g}, not 0 or 1"
            raise InputError(message, "did you mean prediction == labels?")


def _check_whole(where: str, what: str, value: int, low: int, high: int, hint: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{where}: {what} is {value!r}, not a whole number in [{low}, {high}]", hint)
