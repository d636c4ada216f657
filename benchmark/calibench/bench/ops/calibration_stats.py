"""ECE, MCE, accuracy, NLL and Brier score of logits, together: from tensors to five Python floats."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import torch
from torch.nn import functional

from calibench import kernels
from calibench.bench.case import OURS, Contender, Op, Shape, torch_compiled
from calibench.bench.inputs import classifier

BINS = 15


def ours(x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """One pass of the fused kernel, and the five figures from its sums."""
    return read_out(kernels.calibration_stats(x, y, BINS))


def read_out(stats: kernels.CalibrationStats) -> dict[str, float]:
    """ECE = sum of |confidence - correct| / N, MCE = the largest |confidence - correct| / rows of a bin, means of the rest.

    Computed in Python floats after one copy from the device: on 15 bins that takes 12 us, in torch operations 40 us.
    """
    totals = torch.stack((stats.correct, stats.nll_sum, stats.brier_sum, stats.n))
    flat = torch.cat((stats.count, stats.confidence_sum, stats.correct_sum, totals)).tolist()
    count, confidence, correct = flat[:BINS], flat[BINS : 2 * BINS], flat[2 * BINS : 3 * BINS]
    gaps = [abs(c - h) for c, h in zip(confidence, correct, strict=True)]
    hits, nll, brier, n = flat[3 * BINS :]
    mce = max(gap / max(rows, 1.0) for gap, rows in zip(gaps, count, strict=True))
    return {"ece": sum(gaps) / n, "mce": mce, "accuracy": hits / n, "nll": nll / n, "brier": brier / n}


def wide(x: torch.Tensor) -> torch.dtype:
    """The dtype to compute in: float32 for narrower logits, whose arithmetic gets the third digit of the NLL wrong."""
    return x.dtype if x.dtype in {torch.float32, torch.float64} else torch.float32


def eager_tensors(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The five figures as an expert writes them: one log-softmax for all, no one-hot matrix."""
    log_p = x.log_softmax(1, dtype=wide(x))
    p = log_p.exp()
    confidence, prediction = p.max(1)
    truth = log_p.gather(1, y[:, None])[:, 0]
    correct = prediction == y
    brier = p.square().sum(1) + 1 - 2 * truth.exp()
    index = (confidence.double() * BINS).ceil().long().sub(1).clamp(0, BINS - 1)
    rows = torch.stack([torch.ones_like(index).double(), confidence.double(), correct.double()])
    sums = torch.zeros(3, BINS, dtype=torch.float64, device=x.device).index_add(1, index, rows)
    gaps = (sums[1] - sums[2]).abs()
    means = correct.double().mean(), -truth.double().mean(), brier.double().mean()
    return gaps.sum() / x.shape[0], (gaps / sums[0].clamp_min(1)).max(), *means


def eager(x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """The same in plain torch."""
    return as_figures(eager_tensors(x, y))


def compiled(x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """The same through torch.compile."""
    return as_figures(torch_compiled(eager_tensors)(x, y))


def as_figures(values: Any) -> dict[str, float]:
    """The figures of this op, from five 0-dim tensors in their order."""
    return dict(zip(("ece", "mce", "accuracy", "nll", "brier"), map(float, values), strict=True))


def collection(classes: int) -> Any:
    """ECE, MCE and accuracy, combined as torchmetrics' documentation shows."""
    from torchmetrics import MetricCollection
    from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError

    return MetricCollection(
        {
            "ece": MulticlassCalibrationError(classes, n_bins=BINS, norm="l1"),
            "mce": MulticlassCalibrationError(classes, n_bins=BINS, norm="max"),
            "accuracy": MulticlassAccuracy(classes, average="micro"),
        }
    )


def torchmetrics_documented(x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """A MetricCollection fed with the logits; NLL and Brier, which torchmetrics lacks, in the usual lines of torch.

    Narrow logits are widened first: with a bfloat16 softmax the MCE was off by 0.0011 at 50 000 x 1 000.
    """
    full = x.to(wide(x))
    metrics = collection(x.shape[1]).to(x.device)
    metrics.update(full, y)
    figures = metrics.compute()
    nll = functional.cross_entropy(full, y)
    brier = (full.softmax(1) - functional.one_hot(y, x.shape[1])).square().sum(1).mean()
    return {**{name: float(value) for name, value in figures.items()}, "nll": float(nll), "brier": float(brier)}


def torchmetrics_shared(x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """torchmetrics at its fastest: metrics built before the timing, one softmax for all, no one-hot matrix."""
    log_p = x.log_softmax(1, dtype=wide(x))
    p = log_p.exp()
    metrics = _built_before(x.shape[1], str(x.device))
    metrics.reset()
    metrics.update(p, y)
    figures = metrics.compute()
    nll = functional.nll_loss(log_p, y)
    brier = (p.square().sum(1) + 1 - 2 * p.gather(1, y[:, None])[:, 0]).mean()
    return {**{name: float(value) for name, value in figures.items()}, "nll": float(nll), "brier": float(brier)}


def netcal(x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """netcal's ECE and MCE on torch's probabilities; the rest as in torch eager."""
    from netcal.metrics import ECE, MCE

    log_p = x.log_softmax(1, dtype=wide(x))
    p = log_p.exp()
    p_array, y_array = p.cpu().numpy(), y.cpu().numpy()
    nll = functional.nll_loss(log_p, y)
    brier = (p.square().sum(1) + 1 - 2 * p.gather(1, y[:, None])[:, 0]).mean()
    return {
        "ece": float(ECE(BINS).measure(p_array, y_array)),
        "mce": float(MCE(BINS).measure(p_array, y_array)),
        "accuracy": float((p.argmax(1) == y).double().mean()),
        "nll": float(nll),
        "brier": float(brier),
    }


@cache
def _built_before(classes: int, device: str) -> Any:
    return collection(classes).to(device)


def _contenders(shape: Shape) -> tuple[Contender, ...]:
    peer = partial(Contender, peer=True)
    return (
        Contender(OURS, ours),
        Contender("torch eager", eager, note="one log-softmax for all five, no one-hot matrix"),
        Contender("torch.compile", compiled, compiled=True, note="of the torch eager function, dynamic=False"),
        peer("torchmetrics", torchmetrics_documented, note="MetricCollection fed with logits; NLL and Brier by torch"),
        peer(
            "torchmetrics, one shared softmax",
            torchmetrics_shared,
            note="metrics built before the timing, one softmax for all, no one-hot matrix",
        ),
        peer("netcal", netcal, note="ECE and MCE by netcal on torch's softmax, the rest by torch"),
    )


OP = Op(
    name="calibration_stats",
    answers="ECE15, MCE15, accuracy, NLL and Brier score together, as Python floats",
    shapes=((50_000, 1000), (1_000_000, 10), (10_000, 100), (10_000, 10)),
    dtypes=(torch.float32, torch.bfloat16),
    inputs=classifier,
    contenders=_contenders,
    # Peers add in float32, and put a confidence on an edge into the other bin.
    tolerance=lambda shape: {"ece": 1e-3, "mce": 1e-3, "accuracy": 1e-3, "nll": 1e-4, "brier": 1e-4},
    headline="ece",
)
