"""Sets of classes whose probability reaches a threshold, from a softmax or from independent sigmoids, and their sizes."""

from __future__ import annotations

import math
from typing import Any

import torch

from calibench import kernels
from calibench.bench.case import OURS, Contender, Figures, Op, Shape, torch_compiled
from calibench.bench.inputs import classifier
from calibench.bench.ops.calibration_stats import wide

THRESHOLD = 0.05
Sets = tuple[torch.Tensor, torch.Tensor]


def softmax_ours(x: torch.Tensor, y: torch.Tensor) -> Sets:
    """The fused kernel."""
    sets, sizes = kernels.softmax_threshold_sets(x, THRESHOLD)
    return sets, sizes


def softmax_eager(x: torch.Tensor, y: torch.Tensor) -> Sets:
    """softmax, compare, count."""
    sets = x.softmax(1, dtype=wide(x)) >= THRESHOLD
    return sets, sets.sum(1)


def sigmoid_ours(x: torch.Tensor, y: torch.Tensor) -> Sets:
    """The fused kernel."""
    sets, sizes = kernels.sigmoid_threshold(x, THRESHOLD)
    return sets, sizes


def sigmoid_eager(x: torch.Tensor, y: torch.Tensor) -> Sets:
    """sigmoid, compare, count."""
    sets = x.to(wide(x)).sigmoid() >= THRESHOLD
    return sets, sets.sum(1)


def sigmoid_logit(x: torch.Tensor, y: torch.Tensor) -> Sets:
    """An expert's version: turns the threshold into a logit and computes no sigmoid."""
    sets = x >= math.log(THRESHOLD) - math.log1p(-THRESHOLD)
    return sets, sets.sum(1)


def softmax_compiled(x: torch.Tensor, y: torch.Tensor) -> Sets:
    """The eager function through torch.compile."""
    sets, sizes = torch_compiled(softmax_eager)(x, y)
    return sets, sizes


def sigmoid_compiled(x: torch.Tensor, y: torch.Tensor) -> Sets:
    """The eager function through torch.compile."""
    sets, sizes = torch_compiled(sigmoid_eager)(x, y)
    return sets, sizes


def figures(result: Sets) -> Figures:
    """The sets, their sizes, and the mean size."""
    sets, sizes = result
    return {"sets": sets, "sizes": sizes, "mean_size": float(sizes.double().mean())}


def _softmax(shape: Shape) -> tuple[Contender, ...]:
    return (
        Contender(OURS, softmax_ours, figures),
        Contender("torch eager", softmax_eager, figures, note="softmax, compare, sum"),
        Contender("torch.compile", softmax_compiled, figures, compiled=True, note="of torch eager, dynamic=False"),
    )


def _sigmoid(shape: Shape) -> tuple[Contender, ...]:
    return (
        Contender(OURS, sigmoid_ours, figures),
        Contender("torch eager", sigmoid_eager, figures, note="sigmoid, compare, sum"),
        Contender("torch eager, threshold as a logit", sigmoid_logit, figures, note="no sigmoid: compares logits"),
        Contender("torch.compile", sigmoid_compiled, figures, compiled=True, note="of torch eager, dynamic=False"),
    )


def _op(name: str, contenders: Any, score: str) -> Op:
    return Op(
        name=name,
        answers=f"sets [N, K] of the classes with {score} >= {THRESHOLD}, and their sizes [N]",
        shapes=((50_000, 1000), (1_000_000, 10)),
        dtypes=(torch.float32,),
        inputs=classifier,
        contenders=contenders,
        # Entries within float32's rounding of the threshold may differ.
        tolerance=lambda shape: {"sets": 1e-5, "sizes": 1e-3, "mean_size": 1e-3},
        headline="mean_size",
    )


SOFTMAX = _op("softmax_threshold_sets", _softmax, "softmax")
SIGMOID = _op("sigmoid_threshold", _sigmoid, "sigmoid")
