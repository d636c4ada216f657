"""The operations of formulas by torch."""

from __future__ import annotations

from typing import Any

from calibench.lazy import np, torch
from calibench.stages.formula import Ops


class TorchOps(Ops):
    """Values are tensors of one type on one device."""

    def __init__(
        self,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        constants: list[Any] | None = None,
    ) -> None:
        super().__init__(constants)
        self.device, self.dtype = device, torch.float64 if dtype is None else dtype

    def make(self, values: Any) -> torch.Tensor:
        """The tensor. By way of numpy, because torch reads long nested lists slowly."""
        return torch.tensor(np.asarray(values, dtype=np.float64), dtype=self.dtype, device=self.device)

    def exp(self, x: Any) -> Any:
        """`e^x`."""
        return x.exp()

    def log(self, x: Any) -> Any:
        """`ln x`."""
        return x.log()

    def log1p(self, x: Any) -> Any:
        """`ln(1 + x)`."""
        return x.log1p()

    def sigmoid(self, x: Any) -> Any:
        """`1 / (1 + e^-x)`."""
        return x.sigmoid()

    def softplus(self, x: Any) -> Any:
        """`ln(1 + e^x)`; torch's own is x from 20 up, which is not exact."""
        return torch.logaddexp(x, torch.zeros_like(x))

    def greatest(self, x: Any, y: Any) -> Any:
        """The larger of both."""
        return torch.maximum(x, y) if isinstance(y, torch.Tensor) else x.clamp_min(y)

    def least(self, x: Any, y: Any) -> Any:
        """The smaller of both."""
        return torch.minimum(x, y) if isinstance(y, torch.Tensor) else x.clamp_max(y)

    def positive(self, x: Any) -> Any:
        """Where x > 0."""
        return x > 0

    def where(self, mask: Any, x: Any, y: Any) -> Any:
        """x where the mask is true, else y."""
        return torch.where(mask, x, y)

    def total(self, x: Any) -> Any:
        """The sum of each row."""
        return x.sum(dim=-1, keepdim=True)

    def highest(self, x: Any) -> Any:
        """The maximum of each row."""
        return x.amax(dim=-1, keepdim=True)

    def softmax(self, x: Any) -> Any:
        """The softmax of each row."""
        return x.softmax(dim=-1)

    def log_softmax(self, x: Any) -> Any:
        """The logarithm of the softmax."""
        return x.log_softmax(dim=-1)

    def top(self, x: Any, classes: int) -> Any:
        """True at the largest of each row."""
        return x.argmax(dim=-1, keepdim=True) == torch.arange(classes, device=x.device)

    def linear(self, x: Any, weight: Any, bias: Any) -> Any:
        """`x W' + b`."""
        return x @ weight.T + bias

    def column(self, x: Any, place: int) -> Any:
        """One column."""
        return x[..., place : place + 1]

    def join(self, columns: list[Any]) -> Any:
        """Columns side by side."""
        return torch.cat(columns, dim=-1)

    def step(self, x: Any, edges: Any, values: Any) -> Any:
        """The value of the bin of each x."""
        return values[torch.searchsorted(edges, x.contiguous())]

    def interpolate(self, x: Any, points: Any, values: Any) -> Any:
        """Lines between the points."""
        if len(points) == 1:
            return values.expand_as(x)
        inside = torch.minimum(torch.maximum(x, points[0]), points[-1])
        left = (torch.searchsorted(points, inside.contiguous(), right=True) - 1).clamp(0, len(points) - 2)
        slope = (values[left + 1] - values[left]) / (points[left + 1] - points[left])
        return values[left] + slope * (inside - points[left])
