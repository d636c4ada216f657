"""Operators, cases and contenders: several ways to answer one question from the same tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from calibench.kernels.checks import dtype_name

Shape = tuple[int, int]
"""N x K; for `bootstrap_bins` N samples x B resamples."""

Inputs = tuple[torch.Tensor, ...]
"""Arguments of every contender of a case. The floor reads the first of them once."""

Figures = Mapping[str, float | torch.Tensor]
"""A contender's answer, by name: compared with ours if the op states a tolerance, else only shown."""

OURS = "ours"
FLOOR = "read once"

WARM_ROWS = 256
"""Rows of the first call, which is not measured."""


def unchanged(result: Any) -> Figures:
    """The figures of a contender whose result already is a mapping of them."""
    return result  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Contender:
    """One way to do the work of an op, as its users would write it."""

    name: str
    run: Callable[..., Any]
    """Called with the inputs; the call is timed from inputs to answer."""
    figures: Callable[[Any], Figures] = unchanged
    """Turns the result of `run` into figures to compare; not timed."""
    peer: bool = False
    """Takes part only with `--peers`: it needs a package of that extra, or stands beside those that do."""
    compiled: bool = False
    """Uses torch.compile: the first call on a shape compiles, so only the second shows the memory of a call."""
    warm: Shape | None = None
    """Shape of the warm-up, for a contender whose call on the full case takes too long; its time grows with N x K."""
    scale: float = 1.0
    """One call does 1 / scale of the work. Its times are multiplied by `scale`, and the output says so."""
    note: str = ""
    """Facts that a reader needs to judge the comparison."""


@dataclass(frozen=True)
class Op:
    """An operator, its cases, and their contenders."""

    name: str
    answers: str
    """The answer of every contender, in words."""
    shapes: tuple[Shape, ...]
    dtypes: tuple[torch.dtype, ...]
    inputs: Callable[[Shape, torch.dtype, torch.device], Inputs]
    contenders: Callable[[Shape], tuple[Contender, ...]]
    """Ours first."""
    tolerance: Callable[[Shape], Mapping[str, float]]
    """Largest accepted difference from ours: absolute, or for integers the share of entries that differ."""
    headline: str
    """The compared figure that a table shows."""
    built_on: str = ""
    """The operator that ours calls, if it has another name."""

    @property
    def operator(self) -> str:
        """The operator under `torch.ops.calibench` that ours calls."""
        return self.built_on or self.name


@dataclass(frozen=True)
class Case:
    """An op at one shape, dtype and device."""

    op: Op
    shape: Shape
    dtype: torch.dtype
    device: torch.device

    @property
    def label(self) -> str:
        """`calibration_stats 50000x1000 float32`."""
        return f"{self.op.name} {self.shape[0]}x{self.shape[1]} {dtype_name(self.dtype)}"

    def inputs(self, shape: Shape | None = None) -> Inputs:
        """The tensors of this case, or of a smaller one with the same dtype and device; the same bytes every time."""
        return self.op.inputs(shape or self.shape, self.dtype, self.device)

    def warm_shape(self, contender: Contender) -> Shape:
        """Shape of a first call, which loads code and starts threads: a part of the case, or the contender's choice."""
        rows, columns = contender.warm or (WARM_ROWS, self.shape[1])
        return min(rows, self.shape[0]), min(columns, self.shape[1])

    def contenders(self, peers: bool, names: tuple[str, ...] = ()) -> list[Contender]:
        """The floor and ours always, peers if `peers`, and only `names` if there are any."""
        contenders = [c for c in self.op.contenders(self.shape) if peers or not c.peer]
        participants = [c for c in contenders if not names or c.name == OURS or c.name in names]
        return [Contender(FLOOR, read_once, lambda result: {}), *participants]


def read_once(scores: torch.Tensor, *unused: torch.Tensor) -> torch.Tensor:
    """The least work of any contender: it reads every score once."""
    return scores.sum()


@cache
def torch_compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function through torch.compile with dynamic=False, so that it is compiled for each shape; cached."""
    return torch.compile(function, dynamic=False)
