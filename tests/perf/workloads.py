"""The Python-level cases, once: `test_perf_*.py` times each, `counted.py` counts what each costs; both look at its result.

A case prepares its inputs, then is one call; what the call gave is checked against a plain float64 torch or numpy definition.
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
    """Inputs in hand: `call()` is what costs, `check(result)` raises AssertionError if the result is wrong."""

    call: Callable[[], Any]
    check: Callable[[Any], None]


@dataclass(frozen=True)
class Workload:
    """One case; `elements` is the size from which on a tensor counts as the logits, N * K but for what reads in parts."""

    name: str
    covers: str
    elements: int
    prepare: Callable[[], Prepared]


@cache
def drawn(n: int, k: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Over-confident logits `[N, K]` and labels `[N]`."""
    generator = torch.Generator().manual_seed(n + k)
    labels = torch.randint(k, (n,), generator=generator)
    logits = torch.randn(n, k, generator=generator, dtype=torch.float64) * 2
    logits[torch.arange(n), labels] += 3
    return logits.to(dtype), labels


@cache
def softmax(n: int, k: int, dtype: torch.dtype) -> torch.Tensor:
    """Probabilities in float64 of what is stored."""
    return drawn(n, k, dtype)[0].double().softmax(dim=1)


def close(found: torch.Tensor | float, wanted: torch.Tensor | float, relative: float = 1e-6) -> None:
    """Equal to the precision that CONVENTIONS gives sums of narrow inputs."""
    torch.testing.assert_close(
        torch.as_tensor(found, dtype=torch.float64),
        torch.as_tensor(wanted, dtype=torch.float64),
        rtol=relative,
        atol=1e-9,
    )
