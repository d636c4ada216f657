"""`gaussians`: the drawn rows follow the shares and means, and their soft labels are the true probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from calibench import InputError
from calibench_datasets.sources.gaussians import gaussians

stats = pytest.importorskip("scipy.stats")

SHARES = (0.6, 0.3, 0.1)


@pytest.fixture(scope="module")
def drawn():
    return gaussians(SHARES, distance=2.0, dims=4, rows=20_000, test_rows=20_000, draw=3)


def test_soft_labels_are_bayes_rule(drawn):
    means = np.zeros((3, 4))
    means[range(3), range(3)] = np.sqrt(2)
    x = drawn.test[0][:500].astype(np.float64)
    densities = np.stack([stats.multivariate_normal(mean, np.eye(4)).pdf(x) for mean in means], axis=1) * SHARES
    expected = densities / densities.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(drawn.test_soft[:500], expected, atol=1e-6)


def test_means_are_equally_far_apart(drawn):
    means = np.stack([drawn.x[drawn.y == k].mean(axis=0) for k in range(3)])
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.linalg.norm(means[a] - means[b]) == pytest.approx(2.0, abs=0.15)


def test_the_true_probabilities_are_calibrated(drawn):
    """Within bins of p_k, the share of class k is the mean of p_k: a chi-square over 20 bins of each class."""
    labels = np.eye(3)[drawn.test[1]]
    for k in range(3):
        p, hit = drawn.test_soft[:, k], labels[:, k]
        order = np.array_split(np.argsort(p), 20)
        z = [(hit[rows] - p[rows]).sum() / np.sqrt((p[rows] * (1 - p[rows])).sum() + 1e-12) for rows in order]
        assert stats.chi2.sf((np.square(z)).sum(), 20) > 1e-3


def test_another_draw_is_another_set_and_the_same_draw_the_same(drawn):
    again = gaussians(SHARES, 2.0, 4, 20_000, 20_000, 3)
    np.testing.assert_array_equal(again.x, drawn.x)
    assert not np.array_equal(gaussians(SHARES, 2.0, 4, 20_000, 20_000, 4).y, drawn.y)


@pytest.mark.parametrize(
    ("shares", "distance", "dims", "word"),
    [
        ((0.5, 0.4), 3.0, 10, "sum to 0.9"),
        ((1.0,), 3.0, 10, "two or more"),
        ((1.0, 0.0), 3.0, 10, "above 0"),
        ((0.5, 0.5), 0.0, 10, "distance=0"),
        ((0.25, 0.25, 0.25, 0.25), 3.0, 3, "4 classes need as many dimensions"),
    ],
)
def test_bad_values_are_refused(shares, distance, dims, word):
    with pytest.raises(InputError, match=word):
        gaussians(shares, distance, dims, 100, 100, 0)
