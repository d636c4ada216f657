"""The operations of formulas by numpy: no torch is imported."""

from __future__ import annotations

from typing import Any

from calibench.lazy import np
from calibench.stages.formula import Ops


class NumpyOps(Ops):
    """Values are float64 arrays."""

    def make(self, values: Any) -> Any:
        """The array."""
        return np.asarray(values, dtype=np.float64)

    def exp(self, x: Any) -> Any:
        """`e^x`."""
        return np.exp(x)

    def log(self, x: Any) -> Any:
        """`ln x`; that of 0 is minus infinity, without a warning."""
        with np.errstate(divide="ignore"):
            return np.log(x)

    def log1p(self, x: Any) -> Any:
        """`ln(1 + x)`."""
        return np.log1p(x)

    def sigmoid(self, x: Any) -> Any:
        """`1 / (1 + e^-x)` without overflow."""
        return np.exp(-np.logaddexp(0, -x))

    def softplus(self, x: Any) -> Any:
        """`ln(1 + e^x)`."""
        return np.logaddexp(0, x)

    def greatest(self, x: Any, y: Any) -> Any:
        """The larger of both."""
        return np.maximum(x, y)

    def least(self, x: Any, y: Any) -> Any:
        """The smaller of both."""
        return np.minimum(x, y)

    def positive(self, x: Any) -> Any:
        """Where x > 0."""
        return x > 0

    def where(self, mask: Any, x: Any, y: Any) -> Any:
        """x where the mask is true, else y."""
        return np.where(mask, x, y)

    def total(self, x: Any) -> Any:
        """The sum of each row."""
        return x.sum(axis=-1, keepdims=True)

    def highest(self, x: Any) -> Any:
        """The maximum of each row."""
        return x.max(axis=-1, keepdims=True)

    def softmax(self, x: Any) -> Any:
        """The softmax of each row."""
        e = np.exp(x - self.highest(x))
        return e / self.total(e)

    def log_softmax(self, x: Any) -> Any:
        """The logarithm of the softmax."""
        lowered = x - self.highest(x)
        return lowered - self.log(self.total(np.exp(lowered)))

    def top(self, x: Any, classes: int) -> Any:
        """True at the largest of each row."""
        return x.argmax(axis=-1)[..., None] == np.arange(classes)

    def linear(self, x: Any, weight: Any, bias: Any) -> Any:
        """`x W' + b`."""
        return x @ weight.T + bias

    def column(self, x: Any, place: int) -> Any:
        """One column."""
        return x[..., place : place + 1]

    def join(self, columns: list[Any]) -> Any:
        """Columns side by side."""
        return np.concatenate(columns, axis=-1)

    def step(self, x: Any, edges: Any, values: Any) -> Any:
        """The value of the bin of each x."""
        return values[np.searchsorted(edges, x, side="left")]

    def interpolate(self, x: Any, points: Any, values: Any) -> Any:
        """Lines between the points."""
        return np.interp(x, points, values)
