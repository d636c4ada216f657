"""`bootstrap_bins`: the bin sums of many resamples, without storing a resample."""

from __future__ import annotations

from calibench.errors import InputError
from calibench.kernels import checks, dispatch, loader
from calibench.kernels.arrays import Array, as_type, detached, is_numpy, values_of
from calibench.kernels.result import Result
from calibench.lazy import torch

MAX_SEED = (1 << 63) - 1


class BootstrapBins(Result[Array]):
    """Sums over the N draws of each of B resamples in M bins, float64 `[B, M]`, the same bits on every backend."""

    count: Array
    """[B, M] draws in the bin."""
    confidence_sum: Array
    """[B, M] sum of their confidences, each rounded to 2^-52 (beyond a thousand samples to 2^-(62 - log2 N))."""
    correct_sum: Array
    """[B, M] correct draws in the bin."""


def bootstrap_bins(
    confidence: Array, correct: Array, bins: int = 15, *, resamples: int = 1000, seed: int = 0
) -> BootstrapBins[Array]:
    """Bin sums of B resamples, each of N draws with replacement from N samples, binned by their confidence `[N]`.

    Draws come from Philox4x32-10 with the key `seed` and a counter of resample and draw. Confidences are summed as whole
    multiples of 2^-s, s = min(52, 62 - ceil(log2 N)). So a seed gives the same bits on every backend and with every
    number of threads. `correct` `[N]` is bool, or numbers 0 and 1 (checked, which on a GPU means waiting). Bins as in
    `calibration_stats`.

    Raises InputError for B < 1, a seed outside [0, 2^63), and the lowest row whose confidence is not in [0, 1 + 1e-3].
    """
    caller = "bootstrap_bins"
    _check_samples(caller, confidence, correct)
    checks.check_bins(caller, bins)
    _check_whole(caller, "resamples", resamples, 1, checks.MAX_BINS, "1000 is usual")
    _check_whole(caller, "seed", seed, 0, MAX_SEED, "any whole number from 0 to 2^63 - 1")
    hits = correct if checks.dtype_name(correct.dtype) == "bool" else correct != 0
    values = as_type(detached(confidence), "float64")
    if not loader.fused(confidence, caller):
        sums = dispatch.define("bootstrap_bins", caller, values, hits, bins, resamples, seed)
        return BootstrapBins(sums[:, 0], sums[:, 1], sums[:, 2])
    if checks.readable(values):  # the operator checks too, but its message speaks of scores
        checks.refuse_confidence(caller, values_of(values))
    sums, flag = dispatch.call(caller, caller, values, hits, bins, resamples, seed)
    return BootstrapBins._of((sums[:, 0], sums[:, 1], sums[:, 2]), dispatch.fault(caller, flag, 0))


def _check_samples(caller: str, confidence: Array, correct: Array) -> None:
    for name, tensor in (("confidences", confidence), ("correct", correct)):
        checks.check_array(caller, name, tensor)
        if tensor.ndim != 1:
            raise InputError(f"{caller}: {name} have shape {list(tensor.shape)}, not [N]", "one number per sample")
    if checks.dtype_name(confidence.dtype) not in checks.SCORE_TYPES:
        raise InputError(f"{caller}: confidences have type {checks.dtype_name(confidence.dtype)}", "use float64")
    checks.refuse_gradient(caller, confidence, "confidence")
    if confidence.shape[0] != correct.shape[0]:
        message = f"{caller}: {confidence.shape[0]} confidences and {correct.shape[0]} answers in correct"
        raise InputError(message, "they must be of one length")
    checks.refuse_two_kinds(caller, confidence, correct)
    if not is_numpy(confidence) and confidence.device != correct.device:
        message = f"{caller}: confidences are on {confidence.device} and correct on {correct.device}"
        raise InputError(message, "move one with .to(device)")
    _check_correct(caller, correct)


def _check_correct(caller: str, correct: Array) -> None:
    hint = "did you mean prediction == labels?"
    name = checks.dtype_name(correct.dtype)
    if not name.startswith(("bool", "int", "uint", "float", "bfloat")):
        raise InputError(f"{caller}: correct has type {name}", hint)
    if name == "bool" or (not is_numpy(correct) and torch.compiler.is_compiling()):
        return
    bad = (correct != 0) & (correct != 1)
    if bool(bad.any()):
        row = int(bad.nonzero()[0][0])
        raise InputError(f"{caller}: row {row}: correct is {correct[row].item():g}, not 0 or 1", hint)


def _check_whole(caller: str, name: str, value: int, low: int, high: int, hint: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"{caller}: {name} is {value!r}, not a whole number in [{low}, {high}]", hint)
