"""The cases of the Python side. `test_perf_*.py` times them, `counted.py` counts their costs, and both check their results.

A case prepares its inputs and then is one call. A plain float64 definition in torch or numpy checks the result.
`kernel_workloads.py` and `metric_workloads.py` hold the cases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

BINS = 15


@dataclass(frozen=True)
class Prepared:
    """A case with its inputs: `call()` does the work, `check(result)` raises AssertionError if the result is wrong."""

    call: Callable[[], Any]
    check: Callable[[Any], None]


@dataclass(frozen=True)
class Workload:
    """A case; a tensor of `elements` numbers or more counts as the logits: N * K, or less if the call reads them in parts."""

    name: str
    covers: str
    elements: int
    prepare: Callable[[], Prepared]


@cache
def draw(n: int, k: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Over-confident logits `[N, K]` and labels `[N]`."""
    generator = torch.Generator().manual_seed(n + k)
    labels = torch.randint(k, (n,), generator=generator)
    logits = torch.randn(n, k, generator=generator, dtype=torch.float64) * 2
    logits[torch.arange(n), labels] += 3
    return logits.to(dtype), labels


@cache
def softmax(n: int, k: int, dtype: torch.dtype) -> torch.Tensor:
    """Probabilities of the stored logits, in float64."""
    return draw(n, k, dtype)[0].double().softmax(dim=1)


def assert_close(actual: torch.Tensor | float, expected: torch.Tensor | float, relative: float = 1e-6) -> None:
    """Equal within the precision of sums of narrow inputs (docs/reference/kernels.md)."""
    torch.testing.assert_close(
        torch.as_tensor(actual, dtype=torch.float64),
        torch.as_tensor(expected, dtype=torch.float64),
        rtol=relative,
        atol=1e-9,
    )
