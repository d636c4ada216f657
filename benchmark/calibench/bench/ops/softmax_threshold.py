"""Predict the most probable class, or abstain below a threshold: prediction and confidence of every row."""

from __future__ import annotations

import torch

from calibench import kernels
from calibench.bench.case import OURS, Contender, Figures, Op, Shape, torch_compiled
from calibench.bench.inputs import classifier
from calibench.bench.ops.calibration_stats import wide

THRESHOLD = 0.7
Decision = tuple[torch.Tensor, torch.Tensor]


def ours(x: torch.Tensor, y: torch.Tensor) -> Decision:
    """The fused kernel."""
    prediction, confidence = kernels.softmax_threshold(x, THRESHOLD)
    return prediction, confidence


def eager(x: torch.Tensor, y: torch.Tensor) -> Decision:
    """softmax, max, where."""
    confidence, prediction = x.softmax(1, dtype=wide(x)).max(1)
    return torch.where(confidence >= THRESHOLD, prediction, -1), confidence


def compiled(x: torch.Tensor, y: torch.Tensor) -> Decision:
    """The same through torch.compile."""
    prediction, confidence = torch_compiled(eager)(x, y)
    return prediction, confidence


def tail(x: torch.Tensor, y: torch.Tensor) -> Decision:
    """max, then 1 / sum of exp(x - max): an expert's version without a softmax matrix."""
    full = x.to(wide(x))
    top, prediction = full.max(1, keepdim=True)
    confidence = (full - top).exp_().sum(1).reciprocal_()
    return torch.where(confidence >= THRESHOLD, prediction[:, 0], -1), confidence


def figures(result: Decision) -> Figures:
    """Both tensors, and the share of rows that abstain."""
    prediction, confidence = result
    abstained = float((prediction < 0).double().mean())
    return {"prediction": prediction, "confidence": confidence, "abstained": abstained}


def _contenders(shape: Shape) -> tuple[Contender, ...]:
    return (
        Contender(OURS, ours, figures),
        Contender("torch eager", eager, figures, note="softmax, max, where"),
        Contender("torch eager, no softmax", tail, figures, note="max, then 1 / sum of exp(x - max)"),
        Contender("torch.compile", compiled, figures, compiled=True, note="of softmax, max, where; dynamic=False"),
    )


OP = Op(
    name="softmax_threshold",
    answers=f"prediction [N], -1 where the confidence is below {THRESHOLD}, and confidence [N]",
    shapes=((50_000, 1000), (1_000_000, 10)),
    dtypes=(torch.float32, torch.bfloat16),
    inputs=classifier,
    contenders=_contenders,
    # Rows within float32's rounding of the threshold may differ, and so may ties that only float32 makes.
    tolerance=lambda shape: {"prediction": 1e-4, "confidence": 1e-5, "abstained": 1e-4},
    headline="abstained",
)
