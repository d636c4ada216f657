"""The operations of formulas as nodes of an ONNX graph in float64."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np

from calibench.errors import InputError
from calibench.stages.formula import Ops

OPSET = 17
"""The opset of the graph: onnxruntime 1.12 and later run it."""


def import_onnx() -> Any:
    """The package onnx; InputError if it is not installed."""
    if importlib.util.find_spec("onnx") is None:
        raise InputError("an ONNX graph needs the package onnx", 'pip install "calibench[onnx]"')
    return importlib.import_module("onnx")


class Node:
    """A value of the graph, which knows arithmetic."""

    __array_ufunc__ = None
    """numpy leaves arithmetic with a node to the node."""

    def __init__(self, ops: OnnxOps, name: str) -> None:
        self.ops, self.name = ops, name

    def __add__(self, other: Any) -> Node:
        return self.ops.node("Add", self, other)

    def __sub__(self, other: Any) -> Node:
        return self.ops.node("Sub", self, other)

    def __rsub__(self, other: Any) -> Node:
        return self.ops.node("Sub", other, self)

    def __mul__(self, other: Any) -> Node:
        return self.ops.node("Mul", self, other)

    def __truediv__(self, other: Any) -> Node:
        return self.ops.node("Div", self, other)

    def __neg__(self) -> Node:
        return self.ops.node("Neg", self)


class OnnxOps(Ops):
    """Each operation adds nodes to `nodes`, and constants to `initializers`."""

    def __init__(self) -> None:
        super().__init__()
        self.onnx = import_onnx()
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._count = 0

    def node(self, kind: str, *inputs: Any, **attributes: Any) -> Node:
        """One node; inputs that are no nodes become constants."""
        names = [value.name if isinstance(value, Node) else self.make(value).name for value in inputs]
        name = self._name(kind.lower())
        self.nodes.append(self.onnx.helper.make_node(kind, names, [name], **attributes))
        return Node(self, name)

    def make(self, values: Any) -> Node:
        """A constant in float64."""
        return self.stored(np.asarray(values, dtype=np.float64))

    def stored(self, array: Any) -> Node:
        """A constant of the array's own type."""
        name = self._name("constant")
        self.initializers.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return Node(self, name)

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"calibench_{kind}_{self._count}"

    def exp(self, x: Any) -> Node:
        """`e^x`."""
        return self.node("Exp", x)

    def log(self, x: Any) -> Node:
        """`ln x`."""
        return self.node("Log", x)

    def log1p(self, x: Any) -> Node:
        """`ln(1 + x)`, to 1e-16."""
        return self.node("Log", x + 1.0)

    def sigmoid(self, x: Any) -> Node:
        """`1 / (1 + e^-x)`."""
        return self.node("Sigmoid", x)

    def softplus(self, x: Any) -> Node:
        """`ln(1 + e^x)`."""
        return self.greatest(x, 0.0) + self.log1p(self.exp(-self.node("Abs", x)))

    def greatest(self, x: Any, y: Any) -> Node:
        """The larger of both."""
        return self.node("Max", x, y)

    def least(self, x: Any, y: Any) -> Node:
        """The smaller of both."""
        return self.node("Min", x, y)

    def positive(self, x: Any) -> Node:
        """Where x > 0."""
        return self.node("Greater", x, 0.0)

    def where(self, mask: Any, x: Any, y: Any) -> Node:
        """x where the mask is true, else y."""
        return self.node("Where", mask, x, y)

    def total(self, x: Any) -> Node:
        """The sum of each row."""
        return self.node("ReduceSum", x, self.stored(np.array([-1], dtype=np.int64)), keepdims=1)

    def highest(self, x: Any) -> Node:
        """The maximum of each row."""
        return self.node("ReduceMax", x, axes=[-1], keepdims=1)

    def softmax(self, x: Any) -> Node:
        """The softmax of each row."""
        return self.node("Softmax", x, axis=-1)

    def log_softmax(self, x: Any) -> Node:
        """The logarithm of the softmax, written out: runtimes differ where a score is minus infinity."""
        lowered = x - self.highest(x)
        logs: Node = lowered - self.log(self.total(self.exp(lowered)))
        return logs

    def top(self, x: Any, classes: int) -> Node:
        """True at the largest of each row."""
        best = self.node("ArgMax", x, axis=-1, keepdims=1, select_last_index=0)
        return self.node("Equal", best, self.stored(np.arange(classes, dtype=np.int64)[None]))

    def linear(self, x: Any, weight: Any, bias: Any) -> Node:
        """`x W' + b`."""
        product: Node = self.node("MatMul", x, self.node("Transpose", weight, perm=[1, 0])) + bias
        return product

    def column(self, x: Any, place: int) -> Node:
        """One column."""
        return self.node("Gather", x, self.stored(np.array([place], dtype=np.int64)), axis=1)

    def join(self, columns: list[Any]) -> Node:
        """Columns side by side."""
        return self.node("Concat", *columns, axis=-1)

    def step(self, x: Any, edges: Any, values: Any) -> Node:
        """The value of the bin of each x: as many edges lie below it."""
        return self.node("Gather", values, self._count_of("Greater", x, edges), axis=0)

    def _count_of(self, comparison: str, x: Any, edges: Any) -> Node:
        """How many of the edges stand in the comparison to each x, as int64."""
        last = self.stored(np.array([-1], dtype=np.int64))
        compared = self.node(comparison, self.node("Unsqueeze", x, last), edges)
        return self.node("ReduceSum", self.node("Cast", compared, to=self.onnx.TensorProto.INT64), last, keepdims=0)

    def interpolate(self, x: Any, points: Any, values: Any) -> Node:
        """Lines between the points, each by its slope."""
        first, last = (self.node("Gather", points, self.stored(np.array(place, dtype=np.int64))) for place in (0, -1))
        inside = self.least(self.greatest(x, first), last)
        left = self._count_of("GreaterOrEqual", inside, points)
        one, count = self.stored(np.array(1, dtype=np.int64)), self.node("Shape", points)
        left = self.node("Sub", left, one)
        # Of one point alone, the interval from it to itself: its slope is 0.
        right = self.node("Min", self.node("Add", left, one), self.node("Sub", count, one))
        x0, x1 = self.node("Gather", points, left), self.node("Gather", points, right)
        y0, y1 = self.node("Gather", values, left), self.node("Gather", values, right)
        width = x1 - x0
        return y0 + (y1 - y0) * (inside - x0) / self.where(self.positive(width), width, 1.0)
