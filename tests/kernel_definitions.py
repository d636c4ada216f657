"""What each kernel computes, written down naively and apart from calibench: numpy in 80-bit floats, loops over bins.

Probabilities are rounded to float64 once, at the end, before they meet an edge or a threshold: that is what "equal to the
float64 definition" means for counts and sets, wherever a case keeps away from its edge by more than float64's own rounding.
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
"""Below float64's smallest normal number a relative error means nothing."""


def tolerance(dtype: torch.dtype) -> float:
    """CONVENTIONS, row Precision: relative error of a sum, in float64 of what is stored."""
    return 1e-12 if dtype == torch.float64 else 1e-6


def close(got: torch.Tensor | npt.NDArray[Any], want: npt.NDArray[Any], dtype: torch.dtype, what: str = "") -> None:
    """Relative, with no absolute slack: a sum of 1e-15 must be right to six or twelve digits too."""
    with np.errstate(over="ignore"):  # 80 bits reach further than float64, whose infinity is then right
        want = np.asarray(want).astype(np.float64)
    got = np.asarray(got)
    with np.errstate(invalid="ignore"):
        if got.shape == want.shape and (np.abs(got - want) <= UNDERFLOW + tolerance(dtype) * np.abs(want)).all():
            return  # assert_allclose takes ten times as long to say so
    np.testing.assert_allclose(got, want, rtol=tolerance(dtype), atol=UNDERFLOW, err_msg=what)


def exact(got: torch.Tensor, want: npt.NDArray[Any] | float, what: str = "") -> None:
    """Counts, predictions and sets."""
    if not np.array_equal(got.numpy(), want):
        np.testing.assert_array_equal(got.numpy(), want, err_msg=what)


def widen(tensor: torch.Tensor) -> Wide:
    """The stored numbers."""
    return tensor.detach().to(torch.float64).numpy().astype(np.longdouble)


def edges_of(bins: int) -> Floats:
    """The interior edges k / M, each the float64 nearest to the fraction."""
    return np.array([float(Fraction(k, bins)) for k in range(1, bins)])


def bin_of(p: Floats, edges: Floats) -> Ints:
    """The number of ascending edges below p: so (lo, hi], 0 in the first bin and everything from 1 upwards in the last."""
    return np.searchsorted(edges, p, side="left").astype(np.int64)


class Softmax(NamedTuple):
    """Of scores `[N, K]`."""

    top: Wide
    prediction: Ints
    tail: Wide
    p: Wide


def softmax(scores: torch.Tensor) -> Softmax:
    """The maximum of each row, where it first stands, r = sum of exp(x_j - max) over the others, and p `[N, K]`."""
    return _softmax(scores.to(torch.float64).numpy().tobytes(), tuple(scores.shape))


@lru_cache(maxsize=128)  # the same rows meet both backends, and many thresholds
def _softmax(numbers: bytes, shape: tuple[int, int]) -> Softmax:
    x = np.frombuffer(numbers).reshape(shape).astype(np.longdouble)
    rows = np.arange(len(x))
    prediction = x.argmax(axis=1)
    top = x[rows, prediction]
    e = np.exp(x - top[:, None])
    others = e.copy()
    others[rows, prediction] = 0
    tail = others.sum(axis=1)
    return Softmax(top, prediction, tail, e / (1 + tail)[:, None])


def calibration_samples(scores: torch.Tensor, labels: torch.Tensor, from_probs: bool = False) -> dict[str, Any]:
    """What `CalibrationSamples` holds, in 80 bits."""
    y = labels.numpy().astype(np.int64)
    rows = np.arange(len(y))
    x = widen(scores)
    if from_probs:
        p, prediction = x, x.argmax(axis=1)
        confidence = x[rows, prediction]
        others = x.copy()
        others[rows, prediction] = 0
        with np.errstate(divide="ignore", invalid="ignore"):
            tail = np.where(confidence > 0, others.sum(axis=1) / confidence, np.inf)
        nll = -np.log(np.maximum(x[rows, y], 1e-12))
        miss = 1 - x[rows, y]
    else:
        top, prediction, tail, p = softmax(scores)
        confidence = 1 / (1 + tail)
        nll = np.log1p(tail) + (top - x[rows, y])
        miss = np.where(prediction == y, tail * confidence, 1 - p[rows, y])
    rest = p.copy()
    rest[rows, y] = 0
    return {
        "confidence": confidence,
        "tail": tail,
        "prediction": prediction,
        "nll": nll,
        "brier": miss**2 + (rest**2).sum(axis=1),
    }


def calibration(
    scores: torch.Tensor, labels: torch.Tensor, bins: int = BINS, from_probs: bool = False
) -> dict[str, Any]:
    """What `CalibrationStats` holds."""
    of = calibration_samples(scores, labels, from_probs)
    y = labels.numpy().astype(np.int64)
    hit = of["prediction"] == y
    index = bin_of(of["confidence"].astype(np.float64), edges_of(bins))
    sums = np.zeros(bins, np.longdouble)
    np.add.at(sums, index, of["confidence"])
    return {
        "count": np.bincount(index, minlength=bins),
        "confidence_sum": sums,
        "correct_sum": np.bincount(index[hit], minlength=bins),
        "nll_sum": of["nll"].sum(),
        "brier_sum": of["brier"].sum(),
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
    """What `ClasswiseStats` holds; `edges` are interior, `[M-1]` or `[K, M-1]`; equal width in 15 bins without them."""
    p = widen(scores) if from_probs else softmax(scores).p
    single = p.astype(np.float64)
    classes = scores.shape[1]
    edges = edges_of(BINS) if edges is None else edges
    bins = edges.shape[-1] + 1
    index = bin_of(single, edges) if edges.ndim == 1 else (single[:, :, None] > edges).sum(axis=2)
    cell = np.arange(classes) * bins + index
    kept = np.ones(p.shape, bool) if threshold is None else single > threshold
    true = kept & (np.arange(classes) == labels.numpy().astype(np.int64)[:, None])
    prob_sum = np.zeros(classes * bins, np.longdouble)
    np.add.at(prob_sum, cell[kept], p[kept])
    count, label_sum = (np.bincount(cell[mask], minlength=classes * bins) for mask in (kept, true))
    sums = {"count": count, "prob_sum": prob_sum, "label_sum": label_sum}
    return {name: values.reshape(classes, bins) for name, values in sums.items()}


def sigmoid(scores: torch.Tensor) -> Wide:
    """1 / (1 + exp(-x)); 0 where exp(-x) is beyond float64, as the formula has it."""
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
    """The most probable passing class, -1 where none passes, and its probability or else the largest.

    By its score, so that with nothing to pass it is the argmax, also where float64 no longer tells probabilities apart.
    """
    p = softmax(scores).p
    passes = passing(p, thresholds, strict)
    prediction = np.where(passes.any(axis=1), np.where(passes, widen(scores), -np.inf).argmax(axis=1), -1)
    rows = np.arange(len(p))
    return prediction, np.where(prediction >= 0, p[rows, prediction], p.max(axis=1))


def nll_curve(scores: torch.Tensor, labels: torch.Tensor, log_temperatures: Floats) -> tuple[Wide, Wide]:
    """`[3, T]`: the sum of the NLL at each T, and its first and second derivatives in log T; and what each is made of.

    The derivatives are differences: their error is relative to the `[3, T]` sums of the absolute values of their parts.
    """
    x = widen(scores)
    rows = np.arange(len(x))
    top = x.argmax(axis=1)
    d = x - x[rows, top][:, None]
    truth = d[rows, labels.numpy().astype(np.int64)]
    curve, parts = np.zeros((2, 3, len(log_temperatures)), np.longdouble)
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
        parts[:, t] = nll.sum(), slopes.sum(), (slopes + b * b * variance).sum()
    return curve, parts
