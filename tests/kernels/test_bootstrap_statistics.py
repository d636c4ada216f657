"""Statistics of bootstrap_bins: draws are multinomial, seeds are independent, and intervals are those of scipy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from kernel_cases import overconfident
from kernel_definitions import bin_of, edges_of
from scipy import stats

from calibench import kernels

pytestmark = pytest.mark.usefixtures("fused")  # the reference makes the same draws, to the last bit


def multiplicities(n: int, resamples: int, seed: int) -> npt.NDArray[np.float64]:
    """How often each sample is drawn `[B, N]`: every sample has its own bin."""
    confidence = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    sums = kernels.bootstrap_bins(confidence, torch.ones(n, dtype=torch.bool), n, resamples=resamples, seed=seed)
    assert torch.equal(sums.count, sums.correct_sum)
    return sums.count.numpy()


def test_draws_are_multinomial() -> None:
    n, resamples = 40, 2000
    counts = multiplicities(n, resamples, 5)
    assert (counts.sum(axis=1) == n).all()
    assert stats.chisquare(counts.sum(axis=0)).pvalue > 1e-3
    # One sample's multiplicity is binomial (N, 1/N); cells with fewer than 5 expected are pooled.
    times = np.bincount(counts.astype(int).ravel(), minlength=6)
    expected = stats.binom(n, 1 / n).pmf(np.arange(6)) * counts.size
    pooled = np.append(times[:5], times[5:].sum())
    assert abs(pooled - np.append(expected[:5], counts.size - expected[:5].sum())).max() < 4 * np.sqrt(counts.size / 4)
    covariance = np.cov(counts.T)
    assert np.diag(covariance).mean() == pytest.approx(1 - 1 / n, rel=0.02)
    off_diagonal = covariance[~np.eye(n, dtype=bool)]
    assert off_diagonal.mean() == pytest.approx(-1 / n, rel=0.02)
    assert off_diagonal.std() < 1.3 / np.sqrt(resamples)  # no two samples are correlated
    # No resample is correlated with the next, nor with the one 32 later that a careless counter would repeat.
    for lag in (1, 2, 4, 32):
        assert abs(np.corrcoef(counts[:-lag].ravel(), counts[lag:].ravel())[0, 1]) < 4 / np.sqrt(counts.size)


def test_seeds_are_independent() -> None:
    """Seeds that differ in the low word, in the high word, and in both."""
    counts = {seed: multiplicities(40, 200, seed) for seed in (0, 1, 2, 2**32, 2**32 + 1, 2**62)}
    seeds = list(counts)
    for i, a in enumerate(seeds):
        for b in seeds[i + 1 :]:
            assert abs(np.corrcoef(counts[a].ravel(), counts[b].ravel())[0, 1]) < 0.05, (a, b)
    np.testing.assert_array_equal(counts[1], multiplicities(40, 200, 1))


def test_no_position_is_favoured_if_the_size_is_no_power_of_two() -> None:
    """Multiply-shift favours no position: counts of 1000 positions in 200 000 draws are within five deviations."""
    counts = multiplicities(1000, 200, 8).sum(axis=0)
    assert stats.chisquare(counts).pvalue > 1e-3
    assert counts.min() > 200 - 5 * np.sqrt(200)
    assert counts.max() < 200 + 5.5 * np.sqrt(200)


def ece(sums: kernels.BootstrapBins, n: int) -> npt.NDArray[np.float64]:
    return ((sums.confidence_sum - sums.correct_sum).abs().sum(dim=1) / n).numpy()


def test_the_interval_is_that_of_scipy() -> None:
    """Percentile intervals of ECE15 from 2000 resamples each, equal within the Monte-Carlo error of both."""
    n, resamples = 300, 2000
    confidence, correct = overconfident(n, 12)
    index = bin_of(confidence.numpy(), edges_of(15))

    def statistic(rows: npt.NDArray[np.int64], axis: int = -1) -> npt.NDArray[np.float64]:
        gaps = np.zeros((rows.shape[0], 15)) if rows.ndim == 2 else np.zeros((1, 15))
        rows = np.atleast_2d(rows)
        for k in range(15):
            gaps[:, k] = ((confidence.numpy() - correct.numpy()) * (index == k))[rows].sum(axis=1)
        return np.abs(gaps).sum(axis=1) / n

    theirs = stats.bootstrap(
        (np.arange(n),), statistic, n_resamples=resamples, method="percentile", vectorized=True, rng=0
    )
    ours = ece(kernels.bootstrap_bins(confidence, correct, resamples=resamples, seed=1), n)
    spread = theirs.bootstrap_distribution
    assert stats.ks_2samp(ours, spread).pvalue > 1e-3
    assert ours.mean() == pytest.approx(spread.mean(), abs=4 * spread.std() * np.sqrt(2 / resamples))
    assert ours.std() == pytest.approx(spread.std(), rel=4 / np.sqrt(resamples))
    for q, theirs_at in ((0.025, theirs.confidence_interval.low), (0.975, theirs.confidence_interval.high)):
        # The error of a quantile: sqrt(q (1 - q) / B) over the density, here of a normal with this spread.
        error = np.sqrt(q * (1 - q) / resamples) / stats.norm.pdf(stats.norm.ppf(q)) * spread.std()
        assert np.quantile(ours, q) == pytest.approx(theirs_at, abs=4 * np.sqrt(2) * error)


def test_resampled_sums_average_to_the_sums() -> None:
    confidence, correct = overconfident(3000, 4)
    sums = kernels.bootstrap_bins(confidence, correct, resamples=400, seed=6)
    index = bin_of(confidence.numpy(), edges_of(15))
    for field, weights in zip(sums, (np.ones(3000), confidence.numpy(), correct.numpy()), strict=True):
        expected = np.bincount(index, weights=weights, minlength=15)
        error = field.std(dim=0).numpy() / np.sqrt(400)
        assert (np.abs(field.mean(dim=0).numpy() - expected) < 4.5 * error + 1e-9).all()
