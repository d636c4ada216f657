"""Properties of calibration_stats for any numbers: shifts, orders, weights, ECE <= MCE, the parts of the Brier score."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from calibench import kernels

# The backend is the same for all examples of a test, but hypothesis cannot know that.
pytestmark = [pytest.mark.usefixtures("backend"), pytest.mark.filterwarnings("error")]
EXAMPLES = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)

LOGITS = hnp.arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 6)), elements=st.floats(-50, 50, width=16))
SEEDS = st.integers(0, 2**31)
TYPE = st.sampled_from([torch.float64, torch.float32, torch.bfloat16, torch.float16])


def ece_and_mce(s: kernels.CalibrationStats) -> tuple[float, float]:
    gaps = (s.confidence_sum - s.correct_sum).abs()
    return float(gaps.sum() / s.n), float((gaps / s.count.clamp_min(1)).max())


def labels_of(x: torch.Tensor, seed: int) -> torch.Tensor:
    return torch.randint(0, x.shape[1], (len(x),), generator=torch.Generator().manual_seed(seed))


def assert_multiple(
    a: kernels.CalibrationStats, b: kernels.CalibrationStats, times: int = 1, rtol: float = 2e-15
) -> None:
    """The sums of `a` are `times` those of `b`."""
    for name in ("count", "correct_sum", "correct", "n"):
        assert torch.equal(getattr(a, name), times * getattr(b, name)), name
    for name in ("confidence_sum", "nll_sum", "brier_sum"):
        torch.testing.assert_close(getattr(a, name), times * getattr(b, name), rtol=rtol, atol=1e-300, msg=name)


@EXAMPLES
@given(scores=LOGITS, seed=SEEDS, dtype=TYPE)
def test_orders_and_weights(scores: npt.NDArray[np.float64], seed: int, dtype: torch.dtype) -> None:
    x = torch.from_numpy(scores).to(dtype)
    y = labels_of(x, seed)
    base = kernels.calibration_stats(x, y)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    # A float32 path may place a row elsewhere in its vector, but never recompute it differently.
    rtol = 2e-15 if dtype == torch.float64 else 1e-6
    assert_multiple(kernels.calibration_stats(x[order], y[order]), base, rtol=rtol)
    assert_multiple(kernels.calibration_stats(torch.cat([x, x]), torch.cat([y, y])), base, 2, rtol)


@EXAMPLES
@given(scores=LOGITS, seed=SEEDS, shift=st.integers(-1024, 1024), dtype=TYPE)
def test_a_constant_added_to_a_row_changes_nothing(
    scores: npt.NDArray[np.float64], seed: int, shift: int, dtype: torch.dtype
) -> None:
    x = torch.from_numpy(np.round(scores * 8) / 8)  # makes the addition exact, in float32 too
    y = labels_of(x, seed)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    base, shifted = (kernels.calibration_stats(z.to(wide), y) for z in (x, x + shift))
    assert_multiple(shifted, base, rtol=2e-15 if wide == torch.float64 else 1e-6)


@EXAMPLES
@given(scores=LOGITS, seed=SEEDS, dtype=TYPE, bins=st.sampled_from([1, 2, 10, 15, 40]))
def test_bounds(scores: npt.NDArray[np.float64], seed: int, dtype: torch.dtype, bins: int) -> None:
    x = torch.from_numpy(scores).to(dtype)
    y = labels_of(x, seed)
    stats, samples = kernels.calibration_stats(x, y, bins, return_samples=True)
    ece, mce = ece_and_mce(stats)
    assert ece <= mce + 1e-15
    one_bin = abs(float(stats.confidence_sum.sum() - stats.correct)) / len(x)  # the least possible, by Jensen
    assert ece >= one_bin - 1e-12
    assert 0 <= float(stats.brier_sum) <= 2 * len(x) * (1 + 1e-6)
    assert stats.count.sum() == stats.n == len(x)
    assert (stats.correct_sum <= stats.count).all()
    assert stats.correct_sum.sum() == stats.correct
    assert (samples.confidence >= 1 / x.shape[1] * (1 - 1e-6)).all()
    assert (samples.confidence <= 1).all()
    assert (samples.nll >= 0).all()
    assert (samples.tail >= 0).all()
    # nll >= -log(confidence), with equality where the answer is right
    assert (samples.nll >= samples.tail.log1p() * (1 - 2e-6)).all()
    edges = torch.arange(bins + 1, dtype=torch.float64) / bins
    inside = stats.count > 0
    mean = (stats.confidence_sum / stats.count)[inside]
    assert (mean > edges[:-1][inside] - 1e-6).all()
    assert (mean < edges[1:][inside] + 1e-6).all()


@EXAMPLES
@given(scores=LOGITS, seed=SEEDS, dtype=TYPE)
def test_where_every_bin_is_over_confident_ece_is_mean_confidence_less_accuracy(
    scores: npt.NDArray[np.float64], seed: int, dtype: torch.dtype
) -> None:
    x = torch.from_numpy(scores).to(dtype)
    x = torch.cat([x, x.flip(0)], dim=1) if x.shape[1] == 1 else x  # with one class every prediction is right
    k = x.shape[1]
    times = 2 * k  # each row is there 2 K times and right once: accuracy 1/(2K) in every bin, confidence at least 1/K
    prediction = x.double().argmax(dim=1)
    y = ((prediction + 1) % k).repeat(times)
    y[: len(x)] = prediction
    x = x.repeat(times, 1)
    results = [kernels.calibration_stats(x, y, bins) for bins in (10, 15, 1)]
    for stats in results:
        expected = float((stats.confidence_sum.sum() - stats.correct) / stats.n)
        assert ece_and_mce(stats)[0] == pytest.approx(expected, rel=1e-13)
    first = ece_and_mce(results[0])[0]
    assert first > 0
    for stats in results[1:]:
        assert ece_and_mce(stats)[0] == pytest.approx(first, rel=1e-12 if dtype == torch.float64 else 2e-6)


@EXAMPLES
@given(scores=LOGITS, seed=SEEDS)
def test_brier_is_rel_minus_res_plus_unc_plus_terms_within_bins(scores: npt.NDArray[np.float64], seed: int) -> None:
    """Murphy 1973 with the within-bin terms of Stephenson 2008, class by class: brier_sum from classwise_stats."""
    x = torch.from_numpy(scores)
    y = labels_of(x, seed)
    n, k = x.shape
    sums = kernels.classwise_stats(x, y, 15)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    onehot = np.eye(k)[y.numpy()]
    total = 0.0
    for c in range(k):
        weight, probs, labels = (np.asarray(field[c]) for field in sums)
        filled = weight > 0
        mean_p, rate = (np.divide(v, weight, out=np.zeros(15), where=filled) for v in (probs, labels))
        base = labels.sum() / n
        rel, res = (weight * (mean_p - rate) ** 2).sum() / n, (weight * (rate - base) ** 2).sum() / n
        index = np.searchsorted(np.arange(1, 15) / 15, p[:, c])
        deviation = p[:, c] - mean_p[index]
        within = (deviation**2).mean() - 2 * (deviation * (onehot[:, c] - rate[index])).mean()
        total += rel - res + base * (1 - base) + within
    assert total * n == pytest.approx(float(kernels.calibration_stats(x, y).brier_sum), rel=1e-12, abs=1e-12 * n)


@EXAMPLES
@given(choice=hnp.arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 4)), seed=SEEDS)
def test_brier_is_rel_minus_res_plus_unc_if_each_bin_has_one_forecast(choice: npt.NDArray[np.int64], seed: int) -> None:
    """No within-bin term is left, so the three parts need only the kernels' sums."""
    x = torch.tensor([[0.0, -3.0], [0.0, -1.5], [0.0, 0.0], [-2.5, 0.0], [-4.0, 0.0]], dtype=torch.float64)[choice]
    y = labels_of(x, seed)
    n = len(x)
    sums = kernels.classwise_stats(x, y, 15)
    weight = sums.count.clamp_min(1)
    mean_p, rate, base = sums.prob_sum / weight, sums.label_sum / weight, sums.label_sum.sum(dim=1, keepdim=True) / n
    rel = (sums.count * (mean_p - rate).square()).sum()
    res = (sums.count * (rate - base).square()).sum()
    brier = rel - res + n * (base * (1 - base)).sum()
    assert float(brier) == pytest.approx(float(kernels.calibration_stats(x, y).brier_sum), rel=1e-12, abs=1e-12)
