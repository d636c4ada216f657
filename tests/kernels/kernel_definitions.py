"""Naive definitions of the kernels' results, independent of calibench: numpy in 80-bit floats, loops over bins.

Probabilities are rounded to float64 once, at the end, before they are compared with an edge or a threshold. That is what
"equal to the float64 definition" means for counts and sets, if a case keeps farther from its edge than float64 rounds.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

Wide = npt.NDArray[np.longdouble]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
BINS = 15

UNDERFLOW = 2.3e-308
"""Below float64's smallest normal number a relative error has no meaning."""


def tolerance(dtype: torch.dtype) -> float:
    """Largest relative error of a sum over float64 values of the stored numbers (docs/reference/kernels.md)."""
    return 1e-12 if dtype == torch.float64 else 1e-6


def assert_close(
    actual: torch.Tensor | npt.NDArray[Any], expected: npt.NDArray[Any], dtype: torch.dtype, message: str = ""
) -> None:
    """Equal within the tolerance of the type, with no absolute slack: a sum of 1e-15 must have six or twelve digits too."""
    with np.errstate(over="ignore"):  # 80 bits reach further than float64, whose infinity is then right
        expected = np.asarray(expected).astype(np.float64)
    actual = np.asarray(actual)
    with np.errstate(invalid="ignore"):
        bound = UNDERFLOW + tolerance(dtype) * np.abs(expected)
        if actual.shape == expected.shape and (np.abs(actual - expected) <= bound).all():
            return  # ten times as fast as assert_allclose
    np.testing.assert_allclose(actual, expected, rtol=tolerance(dtype), atol=UNDERFLOW, err_msg=message)


def assert_exact(actual: torch.Tensor, expected: npt.NDArray[Any] | float, message: str = "") -> None:
    """Equal, as counts, predictions and sets must be."""
    if not np.array_equal(actual.numpy(), expected):
        np.testing.assert_array_equal(actual.numpy(), expected, err_msg=message)


def widen(tensor: torch.Tensor) -> Wide:
    """The stored numbers in 80 bits."""
    return tensor.detach().to(torch.float64).numpy().astype(np.longdouble)


def edges_of(bins: int) -> Floats:
    """The interior edges k / M, each the float64 nearest to the fraction."""
    return np.array([float(Fraction(k, bins)) for k in range(1, bins)])


def bin_of(p: Floats, edges: Floats) -> Ints:
    """The number of ascending edges below p, so bins are (lo, hi]: 0 is in the first, 1 and more in the last."""
    return np.searchsorted(edges, p, side="left").astype(np.int64)


class Softmax(NamedTuple):
    """Softmax of scores `[N, K]`."""

    top: Wide
    """[N] the largest score."""
    prediction: Ints
    """[N] the first class with that score."""
    tail: Wide
    """[N] r = sum of exp(x_j - max) over the other classes."""
    p: Wide
    """[N, K] probabilities."""


def softmax(scores: torch.Tensor) -> Softmax:
    """Softmax of each row in 80 bits."""
    return _softmax(scores.to(torch.float64).numpy().tobytes(), tuple(scores.shape))


@lru_cache(maxsize=128)  # tests use the same rows for both backends and for many thresholds
def _softmax(numbers: bytes, shape: tuple[int, int]) -> Softmax:
    x = np.frombuffer(numbers).reshape(shape).astype(np.longdouble)
    rows = np.arange(len(x))
    prediction = x.argmax(axis=1)
    top = x[rows, prediction]
    e = np.exp(x - top[:, None])
    without_top = e.copy()
    without_top[rows, prediction] = 0
    tail = without_top.sum(axis=1)
    return Softmax(top, prediction, tail, e / (1 + tail)[:, None])


def calibration_samples(scores: torch.Tensor, labels: torch.Tensor, from_probs: bool = False) -> dict[str, Any]:
    """The fields of `CalibrationSamples`, in 80 bits."""
    y = labels.numpy().astype(np.int64)
    rows = np.arange(len(y))
    x = widen(scores)
    if from_probs:
        p, prediction = x, x.argmax(axis=1)
        confidence = x[rows, prediction]
        without_top = x.copy()
        without_top[rows, prediction] = 0
        with np.errstate(divide="ignore", invalid="ignore"):
            tail = np.where(confidence > 0, without_top.sum(axis=1) / confidence, np.inf)
        nll = -np.log(np.maximum(x[rows, y], 1e-12))
        miss = 1 - x[rows, y]
    else:
        top, prediction, tail, p = softmax(scores)
        confidence = 1 / (1 + tail)
        nll = np.log1p(tail) + (top - x[rows, y])
        miss = np.where(prediction == y, tail * confidence, 1 - p[rows, y])
    without_label = p.copy()
    without_label[rows, y] = 0
    return {
        "confidence": confidence,
        "tail": tail,
        "prediction": prediction,
        "nll": nll,
        "brier": miss**2 + (without_label**2).sum(axis=1),
    }


def calibration(
    scores: torch.Tensor, labels: torch.Tensor, bins: int = BINS, from_probs: bool = False
) -> dict[str, Any]:
    """The fields of `CalibrationStats`."""
    samples = calibration_samples(scores, labels, from_probs)
    y = labels.numpy().astype(np.int64)
    hit = samples["prediction"] == y
    index = bin_of(samples["confidence"].astype(np.float64), edges_of(bins))
    sums = np.zeros(bins, np.longdouble)
    np.add.at(sums, index, samples["confidence"])
    return {
        "count": np.bincount(index, minlength=bins),
        "confidence_sum": sums,
        "correct_sum": np.bincount(index[hit], minlength=bins),
        "nll_sum": samples["nll"].sum(),
        "brier_sum": samples["brier"].sum(),
        "correct": hit.sum(),
        "n": len(y),
    }


def classwise(
    scores: torch.Tensor,
    labels: torch.Tensor,
    edges: Floats | None = None,
    from_probs: bool = False,
    threshold: float | None = None,
) -> dict[str, Any]:
    """The fields of `ClasswiseStats`; `edges` are interior, `[M-1]` or `[K, M-1]`; None means 15 bins of equal width."""
    p = widen(scores) if from_probs else softmax(scores).p
    rounded = p.astype(np.float64)
    classes = scores.shape[1]
    edges = edges_of(BINS) if edges is None else edges
    bins = edges.shape[-1] + 1
    index = bin_of(rounded, edges) if edges.ndim == 1 else (rounded[:, :, None] > edges).sum(axis=2)
    cell = np.arange(classes) * bins + index
    counted = np.ones(p.shape, bool) if threshold is None else rounded > threshold
    true = counted & (np.arange(classes) == labels.numpy().astype(np.int64)[:, None])
    prob_sum = np.zeros(classes * bins, np.longdouble)
    np.add.at(prob_sum, cell[counted], p[counted])
    count, label_sum = (np.bincount(cell[mask], minlength=classes * bins) for mask in (counted, true))
    sums = {"count": count, "prob_sum": prob_sum, "label_sum": label_sum}
    return {name: values.reshape(classes, bins) for name, values in sums.items()}


def sigmoid(scores: torch.Tensor) -> Wide:
    """1 / (1 + exp(-x)); 0 where exp(-x) overflows float64, as the formula gives there."""
    x = widen(scores)
    e = np.exp(-np.abs(x))
    p = np.where(x >= 0, 1, e) / (1 + e)
    return np.where(-x > np.log(np.longdouble(np.finfo(np.float64).max)), 0, p)


def passing(p: Wide, thresholds: float | Floats, strict: bool) -> npt.NDArray[np.bool_]:
    """`[N, K]`: p_k >= t_k (`strict`: >), in float64."""
    rounded = p.astype(np.float64)
    t = np.broadcast_to(np.asarray(thresholds, np.float64), rounded.shape)
    return rounded > t if strict else rounded >= t


def decide(scores: torch.Tensor, thresholds: float | Floats, strict: bool) -> tuple[Ints, Wide]:
    """The most probable passing class (-1 where none passes) and its probability (the largest where none passes).

    Classes are compared by score. So if all pass, the answer is the argmax, even if float64 rounds probabilities to one
    number.
    """
    p = softmax(scores).p
    passes = passing(p, thresholds, strict)
    prediction = np.where(passes.any(axis=1), np.where(passes, widen(scores), -np.inf).argmax(axis=1), -1)
    rows = np.arange(len(p))
    return prediction, np.where(prediction >= 0, p[rows, prediction], p.max(axis=1))


def nll_curve(scores: torch.Tensor, labels: torch.Tensor, log_temperatures: Floats) -> tuple[Wide, Wide]:
    """`[3, T]`: the sum of the NLL at each T and its first two derivatives in log T; and the scale `[3, T]` of their errors.

    The derivatives are differences, so their error is relative to the sums of the absolute values of their terms.
    """
    x = widen(scores)
    rows = np.arange(len(x))
    top = x.argmax(axis=1)
    d = x - x[rows, top][:, None]
    truth = d[rows, labels.numpy().astype(np.int64)]
    curve, scales = np.zeros((2, 3, len(log_temperatures)), np.longdouble)
    for t, u in enumerate(log_temperatures):
        b = np.exp(-np.longdouble(u))
        e = np.exp(b * d)
        p = e / e.sum(axis=1, keepdims=True)
        mean = (p * d).sum(axis=1)
        variance = (p * (d - mean[:, None]) ** 2).sum(axis=1)
        e[rows, top] = 0
        nll = np.log1p(e.sum(axis=1)) - b * truth
        curve[:, t] = nll.sum(), (-b * (mean - truth)).sum(), (b * (mean - truth) + b * b * variance).sum()
        slopes = b * (np.abs(mean) + np.abs(truth))
        scales[:, t] = nll.sum(), slopes.sum(), (slopes + b * b * variance).sum()
    return curve, scales
