"""The CUDA tests' marks, copies of tensors on the GPU, and every operator as a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from kernel_definitions import (
    BINS,
    assert_close,
    assert_exact,
    calibration,
    calibration_samples,
)

from calibench import kernels
from calibench.kernels.loader import available, missing_kernel_reason

CUDA_ONLY = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    pytest.mark.skipif(
        not available("cuda"), reason=f"the CUDA kernels cannot be used: {missing_kernel_reason('cuda')}"
    ),
    pytest.mark.usefixtures("fused"),
]

OPS = torch.ops.calibench
CLASSES = [1, 2, 3, 10, 17, 31, 32, 33, 100, 257, 512, 513, 1000, 1024, 1025, 1032, 3000, 32_000]
"""Around the widths of a group of lanes (32 to 512) and of the part of a row that a warp takes (1024), and longer rows."""

NO_FAULT = 2**63 - 1


def on_gpu(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Copies on the GPU with the same strides and offset, and so the same alignment."""
    moved = []
    for tensor in tensors:
        whole = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage()).cuda()
        moved.append(whole.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset()))
    return tuple(moved)


def moved(value: Any) -> Any:
    """Tensors on the GPU, with their strides."""
    if isinstance(value, torch.Tensor):
        return on_gpu(value)[0]
    return [moved(one) for one in value] if isinstance(value, list) else value


def check_stats(x: torch.Tensor, y: torch.Tensor, bins: int = BINS, from_probs: bool = False, case: str = "") -> None:
    expected, rows = calibration(x, y, bins, from_probs), calibration_samples(x, y, from_probs)
    scores, labels = on_gpu(x, y)
    stats, samples = kernels.calibration_stats(scores, labels, bins, from_probs=from_probs, return_samples=True)
    for name in ("count", "correct_sum", "correct", "n"):
        assert_exact(getattr(stats, name).cpu(), expected[name], f"{case}: {name}")
    for name in ("confidence_sum", "nll_sum", "brier_sum"):
        assert_close(getattr(stats, name).cpu(), expected[name], x.dtype, f"{case}: {name}")
    assert_exact(samples.prediction.cpu(), rows["prediction"], case)
    for name in ("confidence", "tail", "nll", "brier"):
        assert_close(getattr(samples, name).cpu(), rows[name], x.dtype, f"{case}: {name}")


def calls(n: int = 3000, k: int = 100) -> Iterator[tuple[str, Callable[[torch.Tensor, torch.Tensor], object]]]:
    """Every operator of torch.ops, by name, with its further arguments on the GPU."""
    t = torch.rand(k, device="cuda", dtype=torch.float64)
    u = torch.linspace(-1, 1, 5, device="cuda", dtype=torch.float64)
    edges = torch.empty(0, device="cuda", dtype=torch.float64)
    yield "calibration_stats", lambda x, y: OPS.calibration_stats(x, y, 15, False, True)
    yield "calibration_stats, sorted", lambda x, y: OPS.calibration_stats(x, y, 100, False, False)
    yield "classwise_stats", lambda x, y: OPS.classwise_stats(x, y, edges, 15, False, -1.0)
    yield "softmax_threshold", lambda x, y: OPS.softmax_threshold(x, t[:1], False)
    yield "softmax_threshold, per class", lambda x, y: OPS.softmax_threshold(x, t, False)
    yield "softmax_threshold_sets", lambda x, y: OPS.softmax_threshold_sets(x, t * 0.1, False)
    yield "sigmoid_threshold", lambda x, y: OPS.sigmoid_threshold(x, t, False)
    yield "nll_curve", lambda x, y: OPS.nll_curve(x, y, u)
    yield "bootstrap_bins", lambda x, y: OPS.bootstrap_bins(x[:, 0].double().sigmoid(), y > 3, 15, 50, 1)

    def update(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        state = torch.zeros(17, 4, device="cuda", dtype=torch.float64)
        fault = torch.full((2,), NO_FAULT, device="cuda")
        OPS.calibration_update(state, fault, x, y, 15, False)
        return state, fault

    yield "calibration_update", update


def same(a: object, b: object) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))  # type: ignore[call-overload]
