"""Every operator on CUDA equals its definition, the CPU kernel and the reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kernel_cases import confident, draw, hard_rows, layouts, rows_for, rows_near, rows_stepping_over
from kernel_cuda import CLASSES, CUDA_ONLY, check_stats, on_gpu
from kernel_definitions import (
    BINS,
    TYPES,
    assert_close,
    assert_exact,
    classwise,
    decide,
    edges_of,
    nll_curve,
    passing,
    sigmoid,
    softmax,
    tolerance,
)

from calibench import kernels

pytestmark = CUDA_ONLY


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_stats_equal_the_reference(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = draw(5000, 10, dtype)
    fused = kernels.calibration_stats(x.cuda(), y.cuda())
    monkeypatch.setenv("CALIBENCH_BACKEND", "reference")
    expected = kernels.calibration_stats(x, y)
    for name in ("count", "correct_sum", "correct", "n"):
        assert_exact(getattr(fused, name).cpu(), getattr(expected, name).numpy())
    for name in ("confidence_sum", "nll_sum", "brier_sum"):
        assert_close(getattr(fused, name).cpu(), getattr(expected, name).numpy(), dtype)


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_stats_equal_the_definition(dtype: torch.dtype, k: int) -> None:
    x, y = draw(rows_for(k), k, dtype)
    check_stats(x, y)
    p = x.double().softmax(dim=1).to(dtype)
    check_stats(p, y, 10, True)
    if k in {3, 10, 17, 100, 1000, 1032}:
        for name, view in layouts(x):
            check_stats(view, y, case=name)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_hard_rows(dtype: torch.dtype) -> None:
    for name, (row, label) in hard_rows(dtype).items():
        for copies in (1, 67):
            if copies * row.shape[1] < 100_000:
                check_stats(row.repeat(copies, 1), torch.full((copies,), label), case=name)


@pytest.mark.parametrize("k", [10, 100, 1000])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_confidences_beside_an_edge(dtype: torch.dtype, k: int) -> None:
    edges = tuple(float(edge) for edge in edges_of(BINS) if edge > 1 / k + 0.05)
    check_stats(*rows_near(dtype, edges, k))
    if dtype == torch.float32:
        check_stats(*rows_stepping_over(edges, k))


@pytest.mark.parametrize("rows", [0, 1, 2, 63, 64, 65, 127, 128, 129, 1000])
@pytest.mark.parametrize("k", [10, 40, 600, 1500])
def test_any_number_of_rows_and_bins(rows: int, k: int) -> None:
    x, y = draw(rows, k, torch.float32)
    for bins in (1, 2, 15, 32, 33, 1000, 70_000):  # 33 bins and more are sorted
        check_stats(x, y, bins, case=f"{bins} bins")
    for labels in (torch.int32, torch.uint8):
        if k <= 255:
            check_stats(x, y.to(labels))


@pytest.mark.parametrize("k", [10, 100, 1000])
def test_many_rows_equal_the_cpu(k: int) -> None:
    """More rows than 8192 blocks take at once. The CPU kernel, which has its own tests, gives the expected values."""
    rows = 2_500_000 if k == 10 else 600_000_000 // k // 8
    generator = torch.Generator("cuda").manual_seed(k)
    x = torch.randn(rows, k, device="cuda", generator=generator) * 3
    y = torch.randint(0, k, (rows,), device="cuda", generator=generator)
    for bins in (15, 100):
        result = kernels.calibration_stats(x, y, bins)
        expected = kernels.calibration_stats(x.cpu(), y.cpu(), bins)
        for name in expected._fields:
            torch.testing.assert_close(getattr(result, name).cpu(), getattr(expected, name), rtol=1e-6, atol=0)
        for name in ("count", "correct_sum", "correct", "n"):
            assert torch.equal(getattr(result, name).cpu(), getattr(expected, name)), name


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_classwise_equals_the_definition(dtype: torch.dtype, k: int) -> None:
    x, y = draw(rows_for(k), k, dtype)
    p = x.double().softmax(dim=1).to(dtype)
    edges = np.sort(np.random.default_rng(k).random(9) ** 4)
    per_class = np.sort(np.random.default_rng(k).random((k, 4)) ** 4, axis=1)
    for rows, from_probs in ((x, False), (p, True)):
        scores, labels = on_gpu(rows, y)
        for e in (None, edges, per_class, edges_of(40)):
            for threshold in (None, 0.01):
                expected = classwise(rows, y, e, from_probs, threshold)
                bins = BINS if e is None else torch.from_numpy(e).cuda()
                result = kernels.classwise_stats(scores, labels, bins, from_probs=from_probs, threshold=threshold)
                assert_exact(result.count.cpu(), expected["count"])
                assert_exact(result.label_sum.cpu(), expected["label_sum"])
                assert_close(result.prob_sum.cpu(), expected["prob_sum"], dtype)


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_thresholds_equal_the_definition(dtype: torch.dtype, k: int) -> None:
    x, _ = draw(rows_for(k), k, dtype)
    per_class = torch.rand(k, generator=torch.Generator().manual_seed(k), dtype=torch.float64) ** 3
    (logits,) = on_gpu(x)
    p = softmax(x).p
    for t in (0.0, 1e-30, 1e-5, 0.1, 0.5, 0.9, 1.0, 2.0, per_class, per_class * 1e-3):
        for strict in (False, True):
            limits = t.numpy() if isinstance(t, torch.Tensor) else t
            thresholds = t.cuda() if isinstance(t, torch.Tensor) else t
            result = kernels.softmax_threshold(logits, thresholds, strict=strict)
            prediction, confidence = decide(x, limits, strict)
            assert_exact(result.prediction.cpu(), prediction)
            assert_close(result.confidence.cpu(), confidence, dtype)
            sets = kernels.softmax_threshold_sets(logits, thresholds, strict=strict)
            assert_exact(sets.sets.cpu(), passing(p, limits, strict))
            assert_exact(sets.sizes.cpu(), passing(p, limits, strict).sum(axis=1))
            sets = kernels.sigmoid_threshold(logits, thresholds, strict=strict)
            assert_exact(sets.sets.cpu(), passing(sigmoid(x), limits, strict))
            assert_exact(sets.sizes.cpu(), passing(sigmoid(x), limits, strict).sum(axis=1))


@pytest.mark.parametrize("k", [10, 1000])
def test_probabilities_beside_a_threshold(k: int) -> None:
    for target in (0.01, 0.1, 0.4):
        x, _ = rows_near(torch.float32, (target,), k, top_only=False)
        result = kernels.softmax_threshold_sets(x.cuda(), target)
        assert_exact(result.sets.cpu(), passing(softmax(x).p, target, False))
        limits = np.full(k, target)
        decision = kernels.softmax_threshold(x.cuda(), torch.from_numpy(limits).cuda(), strict=True)
        assert_exact(decision.prediction.cpu(), decide(x, limits, True)[0])


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_nll_curve_equals_the_definition(dtype: torch.dtype, k: int) -> None:
    x, y = draw(rows_for(k), k, dtype)
    scores, labels = on_gpu(x, y)
    for u in (np.array([-3.9, -1.0, 0.0, 0.3, 2.0, 3.9]), np.linspace(-1, 1, 0 if k > 1000 else 70)):
        expected, scales = nll_curve(x, y, u)
        result = torch.stack([*kernels.nll_curve(scores, labels, torch.from_numpy(u).cuda())]).cpu().numpy()
        assert (np.abs(result - expected) <= 2.3e-308 + tolerance(dtype) * scales).all()


@pytest.mark.parametrize("rows", [5000, 20_000])  # the larger number is first fitted to a part of the rows
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_a_fit_equals_that_of_the_cpu(dtype: torch.dtype, rows: int) -> None:
    x, y = confident(rows, 30, 1.7)
    x = x.to(dtype)
    result, expected = kernels.fit_temperature(x.cuda(), y.cuda()), kernels.fit_temperature(x, y)
    # log T is right to 1e-6 from float64 and, as the derivatives are differences of sums, to 4e-6 from float32.
    assert result.temperature == pytest.approx(expected.temperature, rel=2e-6 if dtype == torch.float64 else 8e-6)
    assert result.nll_before == pytest.approx(expected.nll_before, rel=2 * tolerance(dtype))
    assert result.nll_after == pytest.approx(expected.nll_after, rel=2 * tolerance(dtype))


@pytest.mark.parametrize("samples", [0, 1, 2, 5, 1000, 50_000, (1 << 20) + 77])
@pytest.mark.parametrize("bins", [1, 15, 32, 33, 2000])
def test_bootstrap_has_the_bits_of_the_cpu(samples: int, bins: int) -> None:
    generator = torch.Generator().manual_seed(samples)
    confidence = torch.rand(samples, generator=generator, dtype=torch.float64) ** 0.3
    correct = torch.rand(samples, generator=generator) < 0.6
    for seed in (0, 2**62 + 12345):
        result = kernels.bootstrap_bins(confidence.cuda(), correct.cuda(), bins, resamples=20, seed=seed)
        expected = kernels.bootstrap_bins(confidence, correct, bins, resamples=20, seed=seed)
        for a, b in zip(result, expected, strict=True):
            assert torch.equal(a.cpu(), b)


@pytest.mark.parametrize("bins", [15, 100])
@pytest.mark.parametrize("k", [10, 100, 1000])
def test_batches_add_up_to_one_call(k: int, bins: int) -> None:
    x, y = (v.cuda() for v in draw(4000, k, torch.float32))
    accumulator = kernels.CalibrationAccumulator(bins, device="cuda")
    for start in range(0, 4000, 1000):
        accumulator.update(x[start : start + 1000], y[start : start + 1000])
    actual, expected = accumulator.compute(), kernels.calibration_stats(x, y, bins)
    for name in expected._fields:
        torch.testing.assert_close(getattr(actual, name), getattr(expected, name), rtol=1e-15, atol=0)
