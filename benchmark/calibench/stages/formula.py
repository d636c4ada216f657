"""A calibrator's map as a formula: written once, computed by numpy, torch or an ONNX graph.

`Ops` lists the operations that a formula may use, and `Scores` are its input and result. Values are arrays, tensors or nodes of a
graph, in float64, with rows first and classes last. They also know `+`, `-`, `*`, `/`, with each other and with numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

from calibench.outputs.outputs import PROBABILITY_FLOOR


class NoFormulaError(Exception):
    """The reason why a map has no formula, as the end of a sentence."""


class Ops(ABC):
    """The operations of a formula.

    A formula asks for its constants in the same order whenever it is computed, so a backend may keep them: `constants` are those
    kept so far.
    """

    def __init__(self, constants: list[Any] | None = None) -> None:
        self.constants: list[Any] = [] if constants is None else constants
        self._place = 0

    def constant(self, values: Any) -> Any:
        """An array of numbers; `values` may be a function that returns it, called if the constant is not kept yet."""
        place = self._place
        self._place += 1
        if place == len(self.constants):
            self.constants.append(self.make(values() if callable(values) else values))
        return self.constants[place]

    @abstractmethod
    def make(self, values: Any) -> Any:
        """A constant of this backend."""

    @abstractmethod
    def exp(self, x: Any) -> Any:
        """`e^x`."""

    @abstractmethod
    def log(self, x: Any) -> Any:
        """`ln x`."""

    @abstractmethod
    def log1p(self, x: Any) -> Any:
        """`ln(1 + x)`."""

    @abstractmethod
    def sigmoid(self, x: Any) -> Any:
        """`1 / (1 + e^-x)`."""

    @abstractmethod
    def softplus(self, x: Any) -> Any:
        """`ln(1 + e^x)`."""

    @abstractmethod
    def greatest(self, x: Any, y: Any) -> Any:
        """The larger of x and y, which may be a number."""

    @abstractmethod
    def least(self, x: Any, y: Any) -> Any:
        """The smaller of x and y, which may be a number."""

    @abstractmethod
    def positive(self, x: Any) -> Any:
        """Where x > 0."""

    @abstractmethod
    def where(self, mask: Any, x: Any, y: Any) -> Any:
        """x where the mask is true, else y; both may be numbers."""

    @abstractmethod
    def total(self, x: Any) -> Any:
        """The sum over the last axis, which is kept: `[N, 1]`."""

    @abstractmethod
    def highest(self, x: Any) -> Any:
        """The maximum over the last axis, which is kept: `[N, 1]`."""

    @abstractmethod
    def softmax(self, x: Any) -> Any:
        """The softmax over the last axis."""

    @abstractmethod
    def log_softmax(self, x: Any) -> Any:
        """The logarithm of the softmax over the last axis."""

    @abstractmethod
    def top(self, x: Any, classes: int) -> Any:
        """True at the largest of each row's classes, the first among equals: `[N, K]`."""

    @abstractmethod
    def linear(self, x: Any, weight: Any, bias: Any) -> Any:
        """`x W' + b` for constants `weight [M, K]` and `bias [M]`."""

    @abstractmethod
    def column(self, x: Any, place: int) -> Any:
        """One column, `[N, 1]`."""

    @abstractmethod
    def join(self, columns: list[Any]) -> Any:
        """Columns `[N, 1]` side by side."""

    @abstractmethod
    def step(self, x: Any, edges: Any, values: Any) -> Any:
        """The value of the bin `(lo, hi]` that holds each x; `edges [B - 1]` ascend, `values [B]`. Both are constants."""

    @abstractmethod
    def interpolate(self, x: Any, points: Any, values: Any) -> Any:
        """Lines between `points [B]`, which ascend, with `values [B]`; the end values outside. Both are constants."""


@dataclass(frozen=True)
class Scores:
    """Logits, or probabilities if `from_probs`, of N rows and `classes` classes, as values of `ops`."""

    ops: Ops
    values: Any
    classes: int
    from_probs: bool = False

    def logits(self) -> Any:
        """The logits; `ln(max(p, 1e-30))` of probabilities."""
        return self.ops.log(self.ops.greatest(self.values, PROBABILITY_FLOOR)) if self.from_probs else self.values

    def log_probs(self) -> Any:
        """The logarithm of the probabilities."""
        return self.ops.log_softmax(self.logits())

    def probs(self) -> Any:
        """The probabilities."""
        return self.values if self.from_probs else self.ops.softmax(self.values)

    def unit_probs(self) -> Any:
        """Probabilities whose rows sum to 1 to float64 precision, and not only to the tolerance of a file."""
        return self.normalised(self.probs())

    def normalised(self, values: Any) -> Any:
        """Values divided by the sum of their row."""
        return values / self.ops.total(values)

    def as_logits(self, values: Any) -> Scores:
        """Scores of the same rows with `values` as logits."""
        return replace(self, values=values, from_probs=False)

    def as_probs(self, values: Any) -> Scores:
        """Scores of the same rows with `values` as probabilities."""
        return replace(self, values=values, from_probs=True)
