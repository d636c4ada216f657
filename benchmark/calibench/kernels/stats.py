"""`calibration_stats`: the sums behind every binned and proper score of a classifier, in one pass."""

from __future__ import annotations

from typing import Literal, overload

from calibench.kernels import checks, dispatch, loader
from calibench.kernels.arrays import Array, as_type, detached, is_numpy
from calibench.kernels.result import Result


class CalibrationStats(Result[Array]):
    """Sums over N rows in M bins, all float64: counts exact, sums to 1e-12 relative. The last four are 0-dim."""

    count: Array
    """[M] rows in each bin (k/M, (k+1)/M] of the top-label confidence; the first bin is closed at 0."""
    confidence_sum: Array
    """[M] sum of confidences in each bin."""
    correct_sum: Array
    """[M] rows in each bin whose argmax is the label."""
    nll_sum: Array
    """Sum of negative log-likelihoods, nats."""
    brier_sum: Array
    """Sum of Brier scores, each the sum over classes, in [0, 2]."""
    correct: Array
    """Rows whose argmax is the label."""
    n: Array
    """N."""


class CalibrationSamples(Result[Array]):
    """Figures of each of N rows."""

    confidence: Array
    """[N] float64, the probability of the argmax: 1 / (1 + tail) from logits."""
    tail: Array
    """[N] float64, mass of the other classes relative to the argmax; still sharp where the confidence rounds to 1.0."""
    prediction: Array
    """[N] int64, the argmax; the lowest class on ties."""
    nll: Array
    """[N] float64, nats."""
    brier: Array
    """[N] float64, sum over classes."""


@overload
def calibration_stats(
    logits: Array,
    labels: Array,
    bins: int = 15,
    *,
    from_probs: bool = False,
    return_samples: Literal[False] = False,
) -> CalibrationStats[Array]: ...


@overload
def calibration_stats(
    logits: Array,
    labels: Array,
    bins: int = 15,
    *,
    from_probs: bool = False,
    return_samples: Literal[True],
) -> tuple[CalibrationStats[Array], CalibrationSamples[Array]]: ...


def calibration_stats(
    logits: Array,
    labels: Array,
    bins: int = 15,
    *,
    from_probs: bool = False,
    return_samples: bool = False,
) -> CalibrationStats[Array] | tuple[CalibrationStats[Array], CalibrationSamples[Array]]:
    """Bin sums, NLL, Brier and accuracy of `logits` `[N, K]` against `labels` `[N]`, without an `[N, K]` temporary.

    From logits: tail r = sum over j != argmax of exp(x_j - max), confidence 1 / (1 + r), NLL = log1p(r) + max - x_y.
    From probabilities (`from_probs`): confidence = max p, r = the rest over max p, NLL = -log(max(p_y, 1e-12)).
    Brier = sum_j (p_j - [j = y])^2. All in float64 from the exact stored values; bins are (lo, hi], the first closed at 0.

    Logits float64, float32, bfloat16 or float16, any strides, K >= 1; labels int64, int32 or uint8; N = 0 gives zeros.
    The result does not depend on the number of threads. Raises an InputError that names the lowest bad row: a score that
    is not finite, a label outside [0, K), a probability outside [0, 1 + 1e-3]. Rows need not sum to 1. On CUDA the call
    does not wait: reading a field of the `Result` raises that error. Of numpy arrays the fields are numpy arrays, and no torch
    is needed.
    """
    caller = "calibration_stats"
    checks.check_inputs(caller, logits, labels, bins)
    if not loader.fused(logits, caller):
        fields, samples = dispatch.define("calibration_stats", caller, logits, labels, bins, from_probs)
        stats = CalibrationStats(*fields)
        return (stats, CalibrationSamples(*samples)) if return_samples else stats
    inputs = detached(logits), labels, bins, from_probs, return_samples
    sums, totals, rows, flag = dispatch.call(caller, caller, *inputs)
    fault = dispatch.fault(caller, flag, logits.shape[1])
    numbers: tuple[Array, Array, Array, Array] = _numbers(totals)
    stats = CalibrationStats._of((sums[0], sums[1], sums[2], *numbers), fault)
    if not return_samples:
        return stats
    return stats, CalibrationSamples._of((rows[0], rows[1], as_type(rows[2], "int64"), rows[3], rows[4]), fault)


def _numbers(totals: Array) -> tuple[Array, Array, Array, Array]:
    """Its four numbers, 0-dim. An index makes a number of a numpy array, and an index with `...` an array."""
    if is_numpy(totals):
        return totals[0, ...], totals[1, ...], totals[2, ...], totals[3, ...]
    return totals[0], totals[1], totals[2], totals[3]
