"""`sngp` against its formulas in float64, the kernel that its features stand for, and what distance does to its doubt."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from refit_cases import STAGE_2, D, K, features, labels, refit_task, softmax

from calibench.seeds import seeded
from calibench_methods.layers import GaussianProcessHead, RandomFeatures
from calibench_methods.refits.sngp import RIDGES, SNGP

R = 40


def sngp(ridge: float | None = 0.5, random_features: int = R, length_scale: float = 1.0, **stage_2: Any) -> SNGP:
    return SNGP(random_features=random_features, length_scale=length_scale, ridge=ridge, **STAGE_2 | stage_2)


def fitted(method: SNGP, **changes: Any) -> tuple[GaussianProcessHead, dict[str, float]]:
    with seeded(0):
        head = method.build(D, K)
        assert isinstance(head, GaussianProcessHead)
        figures = method.fit(head, refit_task(**changes))
    return head, figures


def phi_of(head: GaussianProcessHead, x: np.ndarray, train: np.ndarray, length_scale: float = 1.0) -> np.ndarray:
    z = (x - train.mean(0)) / (train.std(0) * math.sqrt(D) * length_scale)
    frequencies, phases = head.mean.frequencies.double().numpy(), head.mean.phases.double().numpy()
    return math.sqrt(2 / len(phases)) * np.cos(z @ frequencies.T + phases)


@pytest.mark.parametrize("length_scale", [1.0, 0.3])
def test_the_prediction_is_the_mean_field_softmax_of_the_papers_posterior(length_scale: float) -> None:
    head, _ = fitted(sngp(length_scale=length_scale))
    train, x = features().double().numpy(), features(16, 2)
    phi, at = phi_of(head, train, train, length_scale), phi_of(head, x.double().numpy(), train, length_scale)
    beta = head.mean.beta.detach().double().numpy()
    p = softmax(phi @ beta.T)
    precisions = [0.5 * np.eye(R) + (phi * (p[:, k] * (1 - p[:, k]))[:, None]).T @ phi for k in range(K)]
    variance = np.stack([np.einsum("nr,rs,ns->n", at, np.linalg.inv(m), at) for m in precisions], axis=1)
    expected = softmax(at @ beta.T / np.sqrt(1 + np.pi / 8 * variance))
    assert variance.min() > 0.01
    np.testing.assert_allclose(sngp().outputs(head, x).probs().numpy(), expected, rtol=1e-4, atol=1e-6)


def test_random_features_stand_for_the_gaussian_kernel() -> None:
    with seeded(0):
        mean = RandomFeatures(D, K, 20_000, 0.7)
    x = features(12)
    mean.standardize(features(500))
    z = ((x - mean.centre) * mean.scale).double().numpy()
    kernel = np.exp(-np.square(z[:, None] - z[None]).sum(2) / 2)
    phi = mean.phi(x).double().numpy()
    np.testing.assert_allclose(phi @ phi.T, kernel, atol=5 / math.sqrt(20_000))
    constant = torch.cat([features(50)[:, :-1], torch.ones(50, 1)], dim=1)
    mean.standardize(constant)
    assert float(mean.scale[-1]) == 0, "a feature that never changes counts nothing"


def test_the_loss_is_the_negative_log_posterior_per_row() -> None:
    head, _ = fitted(sngp())
    x, y = features(), labels()
    beta = head.mean.beta.detach().double().numpy()
    log_p = np.log(softmax(phi_of(head, x.double().numpy(), x.double().numpy()) @ beta.T))
    expected = -log_p[np.arange(len(y)), y.numpy()].mean() + 0.5 * np.square(beta).sum() / (2 * 500)
    assert float(sngp().loss(head.mean, x, y, 500).detach()) == pytest.approx(expected, rel=1e-4)


def test_variance_grows_to_the_priors_far_from_the_training_rows() -> None:
    head, _ = fitted(sngp(ridge=2.0, random_features=4000))
    with torch.no_grad():
        _, near = head.moments(features())
        _, far = head.moments(features() + 40)
    assert float(near.max()) < float(far.min())
    np.testing.assert_allclose(far.numpy(), 1 / 2, atol=0.06)  # phi phi is close to 1, over the ridge


def test_the_ridge_of_the_lowest_validation_nll_is_kept() -> None:
    nll = {ridge: fitted(sngp(ridge, epochs=20))[1]["val_nll"] for ridge in RIDGES}
    head, figures = fitted(sngp(None, epochs=20))
    assert figures["ridge"] in RIDGES
    assert len(set(nll.values())) == 3
    probs = sngp().outputs(head, features(16, 2)).probs().numpy()
    kept = -np.log(probs[np.arange(16), labels(16).numpy()]).mean()
    assert figures["val_nll"] == pytest.approx(kept, rel=1e-6)
    assert figures["val_nll"] <= min(nll.values()) + 0.05
