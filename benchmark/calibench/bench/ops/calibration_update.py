"""The five figures of `calibration_stats`, streamed as in an evaluation loop: ten batches one after another."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from calibench import kernels
from calibench.bench.case import OURS, Contender, Op, Shape
from calibench.bench.inputs import classifier
from calibench.bench.ops import calibration_stats as full

CHUNKS = 10


def ours(x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """`CalibrationAccumulator`: a state of O(bins)."""
    accumulator = kernels.CalibrationAccumulator(full.BINS, device=x.device)
    for scores, labels in batches(x, y):
        accumulator.update(scores, labels)
    return full.read_out(accumulator.compute())


def eager(x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """Stores confidences, hits, NLL and Brier of all batches, as evaluation loops do, and bins them in the end."""
    parts = []
    for scores, labels in batches(x, y):
        log_p = scores.log_softmax(1, dtype=full.wide(scores))
        p = log_p.exp()
        confidence, prediction = p.max(1)
        truth = log_p.gather(1, labels[:, None])[:, 0]
        brier = p.square().sum(1) + 1 - 2 * truth.exp()
        parts.append(torch.stack([confidence, prediction == labels, -truth, brier]).double())
    confidence, correct, nll, brier = torch.cat(parts, dim=1)
    index = (confidence * full.BINS).ceil().long().sub(1).clamp(0, full.BINS - 1)
    count = torch.bincount(index, minlength=full.BINS)
    gaps = torch.bincount(index, confidence - correct, minlength=full.BINS).abs()
    mce = (gaps / count.clamp_min(1)).max()
    return full.as_figures((gaps.sum() / len(nll), mce, correct.mean(), nll.mean(), brier.mean()))


def torchmetrics(x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """A MetricCollection updated batch by batch, which stores every confidence; running sums for NLL and Brier."""
    metrics = full.collection(x.shape[1]).to(x.device)
    nll, brier = torch.zeros(2, dtype=torch.float64, device=x.device)
    for scores, labels in batches(x, y):
        log_p = scores.log_softmax(1, dtype=full.wide(scores))
        p = log_p.exp()
        metrics.update(p, labels)
        nll += functional.nll_loss(log_p, labels, reduction="sum")
        brier += (p.square().sum(1) + 1 - 2 * p.gather(1, labels[:, None])[:, 0]).sum()
    figures = {name: float(value) for name, value in metrics.compute().items()}
    return {**figures, "nll": float(nll) / len(y), "brier": float(brier) / len(y)}


def batches(x: torch.Tensor, y: torch.Tensor) -> Any:
    """Ten batches of rows."""
    return zip(x.chunk(CHUNKS), y.chunk(CHUNKS), strict=True)


def _contenders(shape: Shape) -> tuple[Contender, ...]:
    return (
        Contender(OURS, ours, note="CalibrationAccumulator"),
        Contender("torch eager", eager, note="keeps four numbers a row"),
        Contender("torchmetrics", torchmetrics, peer=True, note="one softmax a batch; keeps every confidence"),
    )


OP = Op(
    name="calibration_update",
    answers="ECE15, MCE15, accuracy, NLL and Brier score of ten batches, streamed",
    shapes=((50_000, 1000),),
    dtypes=(torch.float32,),
    inputs=classifier,
    contenders=_contenders,
    tolerance=full.OP.tolerance,
    headline="ece",
)
