"""Cases of every function of `calibench.kernels`, for every shape and type that takes a path of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from judging_workloads import OF_SAMPLES, OF_SCORES
from workloads import BINS, Prepared, Workload, assert_close, draw, softmax

from calibench import kernels

LOG_TEMPERATURES = torch.linspace(-1.0, 1.0, 5, dtype=torch.float64)
RESAMPLES = 100
PART = 1000
"""Rows of each call of the accumulator's `update`."""

Maker = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Prepared]
"""Makes a case from logits, labels and float64 probabilities."""


def _stats(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    def check(result: Any) -> None:
        stats, samples = result if isinstance(result, tuple) and len(result) == 2 else (result, None)
        top = probs.max(dim=1)
        right = top.indices == labels
        at_label = probs[torch.arange(len(labels)), labels]
        assert int(stats.n) == len(labels)
        assert int(stats.correct) == int(right.sum())
        assert float(stats.count.sum()) == len(labels)
        assert_close(stats.confidence_sum.sum(), top.values.sum())
        assert_close(stats.nll_sum, -at_label.log().sum())
        assert_close(stats.brier_sum, ((probs**2).sum(dim=1) - 2 * at_label + 1).sum())
        if samples is not None:
            assert_close(samples.confidence, top.values)
            assert torch.equal(samples.prediction, top.indices)

    return Prepared(lambda: kernels.calibration_stats(logits, labels, BINS), check)


def _samples(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    check = _stats(logits, labels, probs).check
    return Prepared(lambda: kernels.calibration_stats(logits, labels, BINS, return_samples=True), check)


def _accumulated(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    def call() -> Any:
        accumulator = kernels.CalibrationAccumulator(BINS)
        for rows, truth in zip(logits.split(PART), labels.split(PART), strict=True):
            accumulator.update(rows, truth)
        return accumulator.compute()

    return Prepared(call, _stats(logits, labels, probs).check)


def _classwise(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    def check(result: Any) -> None:
        classes = probs.shape[1]
        assert result.count.shape == (classes, BINS)
        assert torch.equal(result.count.sum(dim=1), torch.full((classes,), float(len(labels)), dtype=torch.float64))
        assert torch.equal(result.label_sum.sum(dim=1), torch.bincount(labels, minlength=classes).double())
        assert_close(result.prob_sum.sum(dim=1), probs.sum(dim=0))

    return Prepared(lambda: kernels.classwise_stats(logits, labels, BINS), check)


def _threshold(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    def check(result: Any) -> None:
        top = probs.max(dim=1)
        assert torch.equal(result.prediction, torch.where(top.values >= 0.5, top.indices, -1))
        assert_close(result.confidence, top.values)

    return Prepared(lambda: kernels.softmax_threshold(logits, 0.5), check)


def _class_threshold(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    thresholds = torch.linspace(0.1, 0.9, probs.shape[1], dtype=torch.float64)

    def check(result: Any) -> None:
        passing = torch.where(probs >= thresholds, probs, -1.0).max(dim=1)
        assert torch.equal(result.prediction, torch.where(passing.values > 0, passing.indices, -1))
        assert_close(result.confidence, torch.where(passing.values > 0, passing.values, probs.max(dim=1).values))

    return Prepared(lambda: kernels.softmax_threshold(logits, thresholds), check)


def _sets(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    def check(result: Any) -> None:
        assert torch.equal(result.sets, probs >= 0.1)
        assert torch.equal(result.sizes, (probs >= 0.1).sum(dim=1))

    return Prepared(lambda: kernels.softmax_threshold_sets(logits, 0.1), check)


def _sigmoid(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    def check(result: Any) -> None:
        expected = logits.double().sigmoid() >= 0.7
        assert torch.equal(result.sets, expected)
        assert torch.equal(result.sizes, expected.sum(dim=1))

    return Prepared(lambda: kernels.sigmoid_threshold(logits, 0.7), check)


def _curve(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    def check(result: Any) -> None:
        assert result.nll_sum.shape == result.slope_sum.shape == result.curvature_sum.shape == LOG_TEMPERATURES.shape
        for t, nll in zip(LOG_TEMPERATURES.exp(), result.nll_sum, strict=True):
            assert_close(nll, torch.nn.functional.cross_entropy(logits.double() / t, labels, reduction="sum"))

    return Prepared(lambda: kernels.nll_curve(logits, labels, LOG_TEMPERATURES), check)


def _fit(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    def check(result: Any) -> None:
        def nll(t: float) -> float:
            return float(torch.nn.functional.cross_entropy(logits.double() / t, labels))

        assert_close(result.nll_before, nll(1.0))
        assert_close(result.nll_after, nll(result.temperature))
        assert nll(result.temperature) <= min(nll(result.temperature * 1.01), nll(result.temperature / 1.01))

    return Prepared(lambda: kernels.fit_temperature(logits, labels), check)


def _bootstrap(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    top = probs.max(dim=1)
    confidence, correct = top.values, top.indices == labels

    def check(result: Any) -> None:
        n = float(len(labels))
        assert result.count.shape == (RESAMPLES, BINS)
        assert bool((result.count.sum(dim=1) == n).all())
        # The mean of a resample's mean is the sample's, with a standard error of at most 0.5 / sqrt(N B).
        bound = 5 * 0.5 / (n * RESAMPLES) ** 0.5
        assert abs(float(result.confidence_sum.sum()) / n / RESAMPLES - float(confidence.mean())) < bound
        assert abs(float(result.correct_sum.sum()) / n / RESAMPLES - float(correct.double().mean())) < bound

    return Prepared(lambda: kernels.bootstrap_bins(confidence, correct, BINS, resamples=RESAMPLES, seed=1), check)


MAKERS: dict[str, Maker] = {
    "calibration_stats": _stats,
    "calibration_stats.samples": _samples,
    "CalibrationAccumulator": _accumulated,
    "classwise_stats": _classwise,
    "softmax_threshold": _threshold,
    "softmax_threshold.class": _class_threshold,
    "softmax_threshold_sets": _sets,
    "sigmoid_threshold": _sigmoid,
    "nll_curve": _curve,
    "fit_temperature": _fit,
    "bootstrap_bins": _bootstrap,
    **OF_SCORES,
    **OF_SAMPLES,
}
SHAPES = (
    (10_000, 10, torch.float32),
    (10_000, 100, torch.float32),
    (10_000, 10, torch.bfloat16),
    (10_000, 10, torch.float64),
)
FEWER = {
    "bootstrap_bins": SHAPES[:1],
    "CalibrationAccumulator": SHAPES[:1],
    **dict.fromkeys(OF_SCORES, SHAPES[:2]),
    **dict.fromkeys(OF_SAMPLES, SHAPES[:1]),
}
"""Shapes of the functions for which other shapes and types run the same code."""


def _kernel(op: str, maker: Maker, n: int, k: int, dtype: torch.dtype) -> Workload:
    name = f"{op}/{n}x{k}/{str(dtype).removeprefix('torch.')}"
    elements = {"CalibrationAccumulator": PART * k, "bootstrap_bins": n}.get(op, n * k)
    return Workload(name, op, elements, lambda: maker(*draw(n, k, dtype), softmax(n, k, dtype)))


def kernel_workloads() -> list[Workload]:
    """Every function of `calibench.kernels`, for every shape and type that takes a path of its own."""
    return [_kernel(op, maker, n, k, dtype) for op, maker in MAKERS.items() for n, k, dtype in FEWER.get(op, SHAPES)]
