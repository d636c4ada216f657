"""calibration_stats on each backend equals its definition for every type, shape, layout and number of threads."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from kernel_backends import assert_threads_change_nothing
from kernel_cases import CLASSES, LENGTHS, SMALLEST, draw, layouts, rows_for
from kernel_definitions import BINS, TYPES, assert_close, assert_exact, calibration, calibration_samples

from calibench import kernels

Stats = Callable[..., tuple[kernels.CalibrationStats, kernels.CalibrationSamples]]


@pytest.fixture
def stats(backend: str) -> Stats:
    """calibration_stats with samples; asserts that another loop, without samples, gives sums of the same bits."""

    def call(x: torch.Tensor, y: torch.Tensor, bins: int = BINS, from_probs: bool = False):  # type: ignore[no-untyped-def]
        sums, samples = kernels.calibration_stats(x, y, bins, from_probs=from_probs, return_samples=True)
        without_samples = kernels.calibration_stats(x, y, bins, from_probs=from_probs)
        for name, value in without_samples._asdict().items():
            assert torch.equal(value, getattr(sums, name)), name
        return sums, samples

    return call


def check(stats: Stats, x: torch.Tensor, y: torch.Tensor, bins: int = BINS, from_probs: bool = False) -> None:
    """Compares sums and samples with the definition."""
    sums, samples = stats(x, y, bins, from_probs)
    expected = calibration(x, y, bins, from_probs)
    for name in ("count", "correct_sum", "correct", "n"):
        assert_exact(getattr(sums, name), expected[name], name)
    for name in ("confidence_sum", "nll_sum", "brier_sum"):
        assert_close(getattr(sums, name), expected[name], x.dtype, name)
    assert all(field.dtype == torch.float64 for field in sums)
    rows = calibration_samples(x, y, from_probs)
    assert_exact(samples.prediction, rows["prediction"], "prediction")
    assert samples.prediction.dtype == torch.int64
    for name in ("confidence", "tail", "nll", "brier"):
        assert getattr(samples, name).dtype == torch.float64
        assert_close(getattr(samples, name), rows[name], x.dtype, name)


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_equals_the_definition(stats: Stats, dtype: torch.dtype, k: int) -> None:
    x, y = draw(rows_for(k), k, dtype)
    check(stats, x, y)
    check(stats, x.double().softmax(dim=1).to(dtype), y, 10, True)


@pytest.mark.parametrize("n", [*LENGTHS, 1023, 1024, 1025, 5000])
def test_any_number_of_rows(stats: Stats, n: int) -> None:
    for k, dtype in ((10, torch.float64), (3, torch.float32), (70, torch.bfloat16)):
        if n * k < 100_000:
            check(stats, *draw(n, k, dtype))
    sums, samples = stats(*draw(n, 10))
    assert [field.shape for field in samples] == [(n,)] * 5
    assert [field.shape for field in sums] == [(BINS,)] * 3 + [()] * 4


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_any_number_of_classes(stats: Stats, backend: str, dtype: torch.dtype) -> None:
    """Every remainder of every vector, and both sides of the sizes at which a kernel may change its loop."""
    if backend == "reference":
        check(stats, *draw(3, 1025, dtype))
        return
    check(stats, draw(2, 40_000, dtype)[0].t().contiguous().t(), torch.tensor([1, 39_999]))
    for k in [*range(1, 36), 47, 48, 49, 63, 64, 65, 127, 128, 129, 255, 257, 511, 513, 1023, 1025, 4097]:
        check(stats, *draw(3 if k > 300 else 19, k, dtype))


@pytest.mark.parametrize("bins", [1, 2, 10, 15, 64, 1000])
def test_any_number_of_bins(stats: Stats, bins: int) -> None:
    check(stats, *draw(500, 4), bins)
    check(stats, *draw(500, 4, torch.float32), bins)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize(("n", "k"), [(131, 12), (37, 300), (9, 3), (70, 1)])
def test_any_strides(stats: Stats, dtype: torch.dtype, n: int, k: int) -> None:
    x, y = draw(n, k, dtype)
    for name, view in layouts(x):
        assert torch.equal(view, x)
        assert name == "unaligned" or k == 1 or not view.is_contiguous()
        check(stats, view, y)
    check(stats, x[:1].expand(n, k), y)
    check(stats, x[:, :1].expand(n, k), y)
    check(stats, x[n // 2 : n // 2], y[n // 2 : n // 2])


@pytest.mark.parametrize("labels", [torch.int64, torch.int32, torch.uint8], ids=str)
def test_any_labels(stats: Stats, labels: torch.dtype) -> None:
    for k in (2, 12, 200):  # 200: a uint8 label read as signed would be negative
        x, y = draw(301, k, torch.float32)
        doubled = torch.full((602,), 250).to(labels)
        doubled[::2] = y.to(labels)
        for view in (y.to(labels), doubled[::2], y[:1].to(labels).expand(301)):
            check(stats, x, view)


def test_subnormals_and_every_16_bit_number_are_read_exactly(stats: Stats) -> None:
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int16)
    for dtype in (torch.float16, torch.bfloat16):
        x = bits.view(dtype)
        x = x[x.isfinite() & (x.double().abs() < 1e5)]
        rows = torch.stack([x, torch.zeros_like(x)], dim=1)
        samples = stats(rows, torch.zeros(len(x), dtype=torch.int64))[1]
        np.testing.assert_allclose(samples.nll, np.logaddexp(0, -x.double().numpy()), rtol=1e-6, atol=1e-300)
        assert_exact(samples.prediction, (x < 0).numpy())
    for dtype, smallest in SMALLEST.items():  # a kernel that flushes them to zero sees ties, and class 0 wins
        small = torch.tensor([[0.0, smallest], [-smallest, 0.0], [smallest, 3 * smallest]], dtype=torch.float64).to(
            dtype
        )
        for copies in (1, 20):
            x = small.repeat(copies, 1)
            assert stats(x, torch.zeros(len(x), dtype=torch.int64))[1].prediction.tolist() == [1] * 3 * copies, dtype


def test_probabilities(stats: Stats) -> None:
    p = torch.tensor([[0.25, 0.75], [1.0, 0.0], [0.0, 0.0], [1.0005, 0.0], [0.0, 5e-13]], dtype=torch.float64)
    y = torch.tensor([1, 1, 0, 0, 1])
    for dtype in TYPES:
        check(stats, p.to(dtype), y, BINS, True)
        check(stats, p.to(dtype).repeat(13, 1), y.repeat(13), 10, True)
    sums, samples = stats(p, y, BINS, True)
    assert samples.tail.tolist() == [0.25 / 0.75, 0.0, float("inf"), 0.0, 0.0]
    np.testing.assert_allclose(samples.nll[[0, 1, 2, 4]], -np.log([0.75, 1e-12, 1e-12, 1e-12]), rtol=1e-15)
    np.testing.assert_allclose(samples.brier[:3], [0.125, 2.0, 1.0], rtol=1e-15)
    assert sums.count.tolist() == [2] + [0] * 10 + [1] + [0] * 2 + [2]


def test_sums_stay_exact_over_many_rows(stats: Stats) -> None:
    x = torch.zeros(100_000, 10, dtype=torch.float64)
    x[:, 0] = 0.1
    sums, samples = stats(x, torch.zeros(100_000, dtype=torch.int64))
    for total, one in ((sums.confidence_sum.sum(), samples.confidence[0]), (sums.nll_sum, samples.nll[0])):
        assert float(total) == pytest.approx(100_000 * float(one), rel=4e-16)


def test_threads_change_nothing(stats: Stats) -> None:
    shapes = ((20_000, 7, torch.float32), (3, 50_000, torch.float64), (5_001, 33, torch.bfloat16))
    inputs = [draw(n, k, dtype) for n, k, dtype in shapes]
    assert_threads_change_nothing(lambda: [field for x, y in inputs for field in itertools.chain(*stats(x, y))])


@pytest.mark.parametrize("k", [2, 10, 100])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_the_samples_add_up_to_the_sums(stats: Stats, dtype: torch.dtype, k: int) -> None:
    x, y = draw(1501, k, dtype)
    sums, samples = stats(x, y)
    for total, terms in ((sums.nll_sum, samples.nll), (sums.brier_sum, samples.brier)):
        np.testing.assert_allclose(total, terms.numpy().astype(np.longdouble).sum().astype(float), rtol=1e-14)
    np.testing.assert_allclose(sums.confidence_sum.sum(), samples.confidence.sum(), rtol=1e-13)
    assert_exact(sums.correct, (samples.prediction == y).sum().item())
