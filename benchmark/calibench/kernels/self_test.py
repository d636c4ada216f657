"""A test of every operator on this machine against the float64 reference, on small cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from calibench import kernels
from calibench.errors import CalibenchError
from calibench.kernels import reference
from calibench.kernels.checks import SCORE_TYPES, dtype_name
from calibench.kernels.signatures import OPS

PASSED = "passed"

SHAPES = ((300, 3), (200, 10), (64, 257))
"""Rows of fewer classes than a vector holds, of about as many, and of many vectors and a remainder."""

Tensors = Sequence[torch.Tensor]
Pair = tuple[Tensors, Tensors, bool]
"""The operator's outputs, those of the reference, and whether they must be equal to the last bit."""


def self_test(device: str | torch.device = "cpu") -> dict[str, str]:
    """For every operator, with the backend that serves it on this device: `passed`, or the difference in one line.

    Counts, predictions and sets must be equal; sums to 1e-12 relative for float64 and 1e-6 for the narrower types.
    """
    return {op: _test(case, torch.device(device)) for op, case in _CASES.items()}


def _test(case: Callable[[torch.Tensor, torch.Tensor], Pair], device: torch.device) -> str:
    for dtype in (getattr(torch, name) for name in SCORE_TYPES):
        for logits, labels in _inputs(dtype):
            inputs = f"{dtype_name(dtype)} {list(logits.shape)}"
            try:
                outputs, expected, exact = case(logits.to(device), labels.to(device))
            except (CalibenchError, RuntimeError) as error:
                return f"{inputs}: {type(error).__name__}: {str(error).splitlines()[0]}"
            tolerance = 0.0 if exact else 1e-12 if dtype == torch.float64 else 1e-6
            for index, (output, reference_output) in enumerate(zip(outputs, expected, strict=True)):
                difference = _difference(output.cpu(), reference_output.cpu(), tolerance)
                if difference:
                    return f"{inputs}: output {index} {difference}"
    return PASSED


def _inputs(dtype: torch.dtype) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    for rows, classes in SHAPES:
        logits = 4 * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
        labels = torch.randint(classes, (rows,), generator=generator)
        yield logits.to(dtype), labels


def _difference(output: torch.Tensor, expected: torch.Tensor, tolerance: float) -> str:
    """The difference in words, or an empty string. Whole numbers must be equal, others equal within a relative tolerance."""
    if output.shape != expected.shape or output.dtype != expected.dtype:
        return f"is {list(output.shape)} {output.dtype}, not {list(expected.shape)} {expected.dtype}"
    if not output.is_floating_point() or tolerance == 0:
        return "" if torch.equal(output, expected) else f"differs in {int((output != expected).sum())} places"
    relative = (output - expected).abs() / expected.abs().clamp_min(1e-300)
    worst = float(relative.where(output != expected, 0.0).max()) if output.numel() else 0.0
    return "" if worst <= tolerance else f"differs from the float64 reference by {worst:.3g} relative"


def _calibration_stats(x: torch.Tensor, y: torch.Tensor) -> Pair:
    stats, samples = kernels.calibration_stats(x, y, return_samples=True)
    fields, expected = reference.calibration_stats("self-test", x, y, 15, False)
    return [*stats, *samples], [*fields, *expected], False


def _calibration_update(x: torch.Tensor, y: torch.Tensor) -> Pair:
    accumulator = kernels.CalibrationAccumulator(device=x.device)
    for part in (slice(0, 50), slice(50, None)):
        accumulator.update(x[part], y[part])
    return list(accumulator.compute()), reference.calibration_stats("self-test", x, y, 15, False)[0], False


def _classwise_stats(x: torch.Tensor, y: torch.Tensor) -> Pair:
    edges = torch.tensor([0.01, 0.1, 0.5], dtype=torch.float64, device=x.device)
    stats = kernels.classwise_stats(x, y, edges, threshold=1e-3)
    return list(stats), list(reference.classwise_stats("self-test", x, y, edges, 4, False, 1e-3)), False


def _softmax_threshold(x: torch.Tensor, y: torch.Tensor) -> Pair:
    limits = _limits(x)
    decision = kernels.softmax_threshold(x, limits)
    return list(decision), reference.softmax_threshold("self-test", x, limits, False), False


def _softmax_threshold_sets(x: torch.Tensor, y: torch.Tensor) -> Pair:
    limits = _limits(x)
    sets = kernels.softmax_threshold_sets(x, limits, strict=True)
    return list(sets), reference.softmax_threshold_sets("self-test", x, limits, True), True


def _sigmoid_threshold(x: torch.Tensor, y: torch.Tensor) -> Pair:
    limits = _limits(x)
    return list(kernels.sigmoid_threshold(x, limits)), reference.sigmoid_threshold("self-test", x, limits, False), True


def _nll_curve(x: torch.Tensor, y: torch.Tensor) -> Pair:
    u = torch.tensor([-1.0, 0.0, 0.7], dtype=torch.float64, device=x.device)
    return list(kernels.nll_curve(x, y, u)), list(reference.nll_curve("self-test", x, y, u)), False


def _bootstrap_bins(x: torch.Tensor, y: torch.Tensor) -> Pair:
    confidence, correct = x.double().sigmoid().flatten(), (x > 0).flatten()
    sums = kernels.bootstrap_bins(confidence, correct, resamples=20, seed=1 << 40)
    expected = reference.bootstrap_bins("self-test", confidence, correct, 15, 20, 1 << 40)
    return list(sums), [expected[:, 0], expected[:, 1], expected[:, 2]], True


def _limits(x: torch.Tensor) -> torch.Tensor:
    return torch.linspace(0.2, 0.6, x.shape[1], dtype=torch.float64, device=x.device)


_CASES: dict[str, Callable[[torch.Tensor, torch.Tensor], Pair]] = {
    "calibration_stats": _calibration_stats,
    "calibration_update": _calibration_update,
    "classwise_stats": _classwise_stats,
    "softmax_threshold": _softmax_threshold,
    "softmax_threshold_sets": _softmax_threshold_sets,
    "sigmoid_threshold": _sigmoid_threshold,
    "nll_curve": _nll_curve,
    "bootstrap_bins": _bootstrap_bins,
}
assert set(_CASES) == set(OPS)
