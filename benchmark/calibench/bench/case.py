"""What a benchmark compares: contenders that answer one question on the same tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

Shape = tuple[int, int]
"""N x K; for `bootstrap_bins` N samples x B resamples."""

Inputs = tuple[torch.Tensor, ...]
"""What every contender of a case is called with; the first is what the read floor reads."""

Figures = Mapping[str, float | torch.Tensor]
"""What a contender found, by name: compared with ours where the op states a tolerance, else only shown."""

OURS = "ours"
FLOOR = "read once"

WARM_ROWS = 256
"""Rows of a first call, which is not measured."""


def as_they_are(result: Any) -> Figures:
    """The figures of a contender whose result already is a mapping of them."""
    return result  # type: ignore[no-any-return]  # said by the contender


@dataclass(frozen=True)
class Contender:
    """One way to do the work of an op, as its users would write it."""

    name: str
    run: Callable[..., Any]
    """Called with the inputs; everything from them to the answer is timed."""
    figures: Callable[[Any], Figures] = as_they_are
    """From what `run` returned to what is compared; not timed."""
    peer: bool = False
    """Needs a package of the extra `peers`."""
    compiled: bool = False
    """torch.compile is at work: the first call on a shape compiles, so only a second one shows what a call needs."""
    warm: Shape | None = None
    """Warmed up on inputs of this shape alone, since a call on the case takes too long; its time grows with N x K."""
    scale: float = 1.0
    """One call does 1 / scale of the work; its times are multiplied by this, and the output says so."""
    note: str = ""
    """What a reader must know to judge the comparison."""


@dataclass(frozen=True)
class Op:
    """An operator with its cases, and who competes in them."""

    name: str
    answers: str
    """What every contender delivers, in words."""
    shapes: tuple[Shape, ...]
    dtypes: tuple[torch.dtype, ...]
    inputs: Callable[[Shape, torch.dtype, torch.device], Inputs]
    contenders: Callable[[Shape], tuple[Contender, ...]]
    """Ours first."""
    tolerance: Callable[[Shape], Mapping[str, float]]
    """Largest accepted difference from ours: absolute, or the share of differing entries where these are integers."""
    headline: str
    """The compared figure that a table shows."""
    built_on: str = ""
    """The operator that ours calls, where that is not of the same name."""

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
        """Inputs for a first call that loads code and starts threads: a part of the case, or the contender's own choice."""
        rows, columns = contender.warm or (WARM_ROWS, self.shape[1])
        return min(rows, self.shape[0]), min(columns, self.shape[1])

    def contenders(self, peers: bool, names: tuple[str, ...] = ()) -> list[Contender]:
        """Who takes part: the floor and ours always, packages of the extra with `peers`, only `names` where given."""
        wanted = [c for c in self.op.contenders(self.shape) if peers or not c.peer]
        chosen = [c for c in wanted if not names or c.name == OURS or c.name in names]
        return [Contender(FLOOR, read_once, lambda result: {}), *chosen]


def read_once(scores: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
    """The least that any of them can do: touch every score once."""
    return scores.sum()


def dtype_name(dtype: torch.dtype) -> str:
    """`float32` of torch.float32."""
    return str(dtype).removeprefix("torch.")
