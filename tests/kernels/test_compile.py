"""The operators under torch's tools: opcheck, fake tensors, torch.compile without a graph break, export, autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from kernel_backends import needs_fused
from kernel_cases import draw
from kernel_definitions import TYPES
from kernel_ops import ALL_OPS
from torch._subclasses.fake_tensor import FakeTensorMode

from calibench import kernels
from calibench.kernels.signatures import OPS

pytestmark = needs_fused

FUNCTIONS = [op for op in ALL_OPS if op != "CalibrationAccumulator.update"]

NO_FAULT = torch.iinfo(torch.int64).max


def empty_state(bins: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The state and the fault of no rows."""
    return torch.zeros(bins + 2, 4, dtype=torch.float64), torch.tensor([NO_FAULT, 0])


def arguments(op: str, n: int = 7, k: int = 5, dtype: torch.dtype = torch.float32) -> list[tuple[Any, ...]]:
    """Valid arguments of an operator, once for each way of calling it."""
    x, y = draw(n, k, dtype)
    p = x.double().softmax(dim=1).to(dtype)
    t = torch.full((k,), 0.3, dtype=torch.float64)
    edges = torch.tensor([0.2, 0.7], dtype=torch.float64)
    empty = edges[:0]
    return {
        "calibration_stats": [(x, y, 15, False, True), (p, y.int(), 4, True, False)],
        "calibration_update": [(*empty_state(15), x, y, 15, False), (*empty_state(3), p, y, 3, True)],
        "classwise_stats": [
            (x, y, empty, 15, False, -1.0),
            (p, y, edges, 3, True, 0.01),
            (x, y, edges.expand(k, 2).contiguous(), 3, False, -1.0),
        ],
        "softmax_threshold": [(x, t, False), (x, t[:1], True)],
        "softmax_threshold_sets": [(x, t, False), (x, t[:1], True)],
        "sigmoid_threshold": [(x, t, False), (x, t[:1], True)],
        "nll_curve": [(x, y, torch.tensor([0.0, 0.3], dtype=torch.float64))],
        "bootstrap_bins": [(p.double().amax(dim=1), y.bool(), 15, 3, 1)],
    }[op]


def operator(op: str) -> Any:
    return getattr(torch.ops.calibench, op).default


@pytest.mark.slow
@pytest.mark.parametrize("op", OPS)
def test_opcheck(op: str) -> None:
    """Schema (only declared inputs change), fake tensors, autograd registration, AOT dispatch, dynamic shapes."""
    first, *further = arguments(op)
    torch.library.opcheck(operator(op), first)
    for inputs in further:
        torch.library.opcheck(operator(op), inputs, test_utils=("test_schema", "test_faketensor"))


@pytest.mark.slow
@pytest.mark.parametrize("op", OPS)
def test_fake_tensors_have_the_shapes_and_types_of_real_ones(op: str) -> None:
    for dtype in TYPES:
        for n, k in ((0, 3), (1, 1), (6, 4)):
            for inputs in arguments(op, n, k, dtype):
                real = operator(op)(*inputs)
                with FakeTensorMode(allow_non_fake_inputs=False) as mode:
                    fake = operator(op)(*[mode.from_tensor(a) if isinstance(a, torch.Tensor) else a for a in inputs])
                if real is None:
                    assert fake is None
                    continue
                for a, b in zip(real, fake, strict=True):
                    assert (a.shape, a.dtype, a.stride()) == (b.shape, b.dtype, b.stride()), (op, dtype, n, k)


@pytest.mark.parametrize("op", OPS)
def test_a_good_call_has_no_fault(op: str) -> None:
    for inputs in arguments(op):
        result = operator(op)(*inputs)
        fault = inputs[1] if op == "calibration_update" else result[-1]
        assert fault.tolist() == [NO_FAULT, 0]


def compiled(call: Callable[..., Any]) -> Callable[..., Any]:
    torch._dynamo.reset()
    return torch.compile(call, fullgraph=True, backend="aot_eager", dynamic=True)


@pytest.mark.slow
def test_compiled_without_a_graph_break() -> None:
    """Every typed function in one graph together with other operations; other sizes compile nothing again."""

    def call(x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
        fields = [2 * field for op in FUNCTIONS for field in ALL_OPS[op](x * 1.0, y)]
        _, samples = kernels.calibration_stats(x, y, return_samples=True)
        bins = kernels.bootstrap_bins(samples.confidence, samples.prediction == y, resamples=5, seed=2)
        return [*fields, *list(bins)]  # torch 2.11 cannot trace [*bins]

    run = compiled(call)
    for n, k in ((9, 5), (17, 6), (33, 7)):
        x, y = draw(n, k, torch.float32)
        for compiled_field, field in zip(run(x, y), call(x, y), strict=True):
            assert torch.equal(compiled_field, field)


@pytest.mark.slow
def test_a_compiled_call_still_refuses_a_bad_row() -> None:
    run = compiled(lambda x, y: list(kernels.calibration_stats(x, y)))
    x, y = draw(9, 5)
    run(x, y)
    x[3, 2] = float("nan")
    with pytest.raises((RuntimeError, ValueError), match="row 3: a score is NaN or infinite"):
        run(x, y)


@pytest.mark.slow
def test_an_update_under_compile_changes_the_state_once() -> None:
    def step(state: torch.Tensor, fault: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        torch.ops.calibench.calibration_update(state, fault, x, y, 15, False)
        return state.sum()

    x, y = draw(40, 6)
    (state, fault), (eager_state, _) = empty_state(15), empty_state(15)
    run = compiled(step)
    for _ in range(2):
        run(state, fault, x, y)
        torch.ops.calibench.calibration_update(eager_state, fault, x, y, 15, False)
    assert torch.equal(state, eager_state)
    assert state[15, 0] == 80


class Judge(torch.nn.Module):
    """The last layer of a network, with the kernels that one would export behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(6, 4).double().requires_grad_(False)

    def forward(self, features: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        logits = self.head(features)
        decision = kernels.softmax_threshold(logits, [0.3, 0.4, 0.5, 0.6])
        sets = kernels.softmax_threshold_sets(logits, 0.2)
        stats = kernels.calibration_stats(logits, labels)
        classes = kernels.classwise_stats(logits, labels, 5)
        return decision.prediction, decision.confidence, sets.sizes, stats.count, stats.nll_sum, classes.prob_sum


@pytest.mark.slow
def test_exported_with_any_number_of_rows() -> None:
    model = Judge()
    x, y = draw(11, 6)[0], draw(11, 4)[1]
    rows = torch.export.Dim("rows", min=2, max=10_000)
    program = torch.export.export(model, (x, y), dynamic_shapes=({0: rows}, {0: rows}))
    assert sum("calibench" in str(node.target) for node in program.graph.nodes) == 4
    for n in (11, 64, 257):
        x, y = draw(n, 6)[0], draw(n, 4)[1]
        for exported, field in zip(program.module()(x, y), model(x, y), strict=True):
            assert torch.equal(exported, field)


@pytest.mark.parametrize("op", OPS)
def test_a_gradient_is_refused_clearly(op: str) -> None:
    """The operators refuse it themselves for callers of torch.ops; they neither cut it silently nor return a wrong one."""
    for inputs in arguments(op):
        tracked = [a.clone().requires_grad_() if is_float(a) else a for a in inputs]
        with pytest.raises(RuntimeError, match="not differentiable"):
            backward_through(op, tracked)
        with torch.no_grad():
            operator(op)(*[a.detach() if isinstance(a, torch.Tensor) else a for a in tracked])


def is_float(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def backward_through(op: str, inputs: list[Any]) -> None:
    """Calls backward() on the outputs. RuntimeError too if all outputs are sets and whole numbers, without a gradient."""
    result = operator(op)(*inputs)
    sums = [field.sum() for field in result if field.is_floating_point() and field.requires_grad]
    assert sums or not any(map(is_float, result)), "the gradient was cut silently"
    if not sums:
        raise RuntimeError("not differentiable")
    sum(sums).backward()
