"""Every kernel with the same signature, for tests of all kernels: bad rows, instruction sets, compilation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from calibench import kernels

Call = Callable[[torch.Tensor, torch.Tensor], Iterator[torch.Tensor]]


def _stats(x: torch.Tensor, y: torch.Tensor) -> Iterator[torch.Tensor]:
    stats, samples = kernels.calibration_stats(x, y, return_samples=True)
    yield from stats
    yield from samples


def _accumulated(x: torch.Tensor, y: torch.Tensor) -> Iterator[torch.Tensor]:
    accumulator = kernels.CalibrationAccumulator(device=x.device)
    accumulator.update(x, y)
    yield from accumulator.compute()


LABELLED: dict[str, Call] = {
    "calibration_stats": _stats,
    "CalibrationAccumulator.update": _accumulated,
    "classwise_stats": lambda x, y: iter(kernels.classwise_stats(x, y, threshold=0.01)),
    "nll_curve": lambda x, y: iter(kernels.nll_curve(x, y, [0.0, 0.5])),
}
"""Kernels that take labels, by the name that starts their errors."""

UNLABELLED: dict[str, Call] = {
    "softmax_threshold": lambda x, y: iter(kernels.softmax_threshold(x, 0.4)),
    "softmax_threshold_sets": lambda x, y: iter(kernels.softmax_threshold_sets(x, 0.05)),
    "sigmoid_threshold": lambda x, y: iter(kernels.sigmoid_threshold(x, 0.6)),
}

ALL_OPS: dict[str, Call] = LABELLED | UNLABELLED
