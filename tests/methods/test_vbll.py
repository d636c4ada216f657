"""`vbll` against the paper's bound written in float64, draws from its posterior, and the authors' library."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from refit_cases import STAGE_2, D, K, features, labels, refit_task, softmax
from torch.distributions import MultivariateNormal, kl_divergence

from calibench.seeds import seeded
from calibench_methods.layers import VBLLHead
from calibench_methods.refits.vbll import VBLL

COVARIANCES = ("dense", "diagonal")


def vbll(covariance: str = "dense", samples: int = 20, kl_weight: float = 1.0, **priors: float) -> VBLL:
    settings = {"prior_scale": 1.0, "wishart_scale": 1.0, "dof": 1.0} | priors
    return VBLL(covariance=covariance, samples=samples, kl_weight=kl_weight, **settings, **STAGE_2)


def random_head(covariance: str) -> VBLLHead:
    """A head whose every parameter is away from its start, in float64."""
    with seeded(0):
        head = VBLLHead(D, K, covariance == "dense").double()
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return head


def moments(head: VBLLHead) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means `[K, D]` and covariances `[K, D, D]` of the weights, and the noise's variances `[K]`."""
    mean, sd = head.mean.detach().numpy(), np.exp(head.log_diagonal.detach().numpy())
    factors = np.stack([np.diag(row) for row in sd])
    if head.below is not None:
        factors = factors + np.tril(head.below.detach().numpy(), -1)
    noise = np.exp(head.noise_log_sd.detach().numpy()) ** 2
    return mean, np.einsum("kij,klj->kil", factors, factors), noise


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_the_loss_is_the_negative_bound_of_the_paper(covariance: str) -> None:
    method, head = vbll(covariance, kl_weight=0.7, prior_scale=0.5, wishart_scale=0.3, dof=2.0), random_head(covariance)
    x, y, rows = features().double(), labels(), 500
    mean, cov, noise = moments(head)
    f = x.numpy()
    half = f @ mean.T + 0.5 * (np.einsum("nd,kde,ne->nk", f, cov, f) + noise)
    bound = (f @ mean.T)[np.arange(len(f)), y.numpy()] - np.log(np.exp(half).sum(1))
    prior = MultivariateNormal(torch.zeros(D).double(), 0.5 * 2 / D * torch.eye(D).double())
    kl = float(kl_divergence(MultivariateNormal(torch.from_numpy(mean), torch.from_numpy(cov)), prior).sum())
    penalty = (2 + K + 1) / 2 * np.log(noise).sum() + 0.3 / 2 * (1 / noise).sum()
    loss = float(method.loss(head, x, y, rows).detach())
    assert loss == pytest.approx(-bound.mean() + 0.7 / rows * (kl + penalty), rel=1e-9)
    without = vbll(covariance, kl_weight=0.0)
    assert float(without.loss(head, x, y, rows).detach()) == pytest.approx(-bound.mean(), rel=1e-9)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_loss_and_gradients_are_those_of_the_authors_library(covariance: str) -> None:
    library: Any = pytest.importorskip("vbll", reason="vbll is not installed (pip install calibench[test])")
    method, head, x, y = (
        vbll(covariance, prior_scale=2.0, dof=3.0),
        random_head(covariance),
        features().double(),
        labels(),
    )
    theirs = library.DiscClassification(D, K, 1 / 500, covariance, prior_scale=2.0, dof=3.0).double()
    names = {"mean": "W_mean", "log_diagonal": "W_logdiag", "below": "W_offdiag", "noise_log_sd": "noise_logdiag"}
    pairs = [(parameter, getattr(theirs, names[name])) for name, parameter in head.named_parameters()]
    for mine, their in pairs:
        their.data.copy_(mine.data)
    loss, their_loss = method.loss(head, x, y, 500), theirs(x).train_loss_fn(y)
    assert float(loss.detach()) == pytest.approx(float(their_loss.detach()) - K * D / 2 / 500, rel=1e-6)
    loss.backward()
    their_loss.backward()
    for mine, their in pairs:
        torch.testing.assert_close(mine.grad, their.grad, rtol=1e-6, atol=1e-9)
    fresh, their_fresh = VBLLHead(200, 100, True), library.DiscClassification(200, 100, 1.0)
    for name, parameter in fresh.named_parameters():
        start = getattr(their_fresh, names[name])
        assert parameter.shape == start.shape
        assert float(parameter.detach().mean()) == pytest.approx(
            float(start.detach().mean()), abs=0.5 if "noise" in name else 0.01
        )
        assert float(parameter.detach().std()) == pytest.approx(
            float(start.detach().std()), rel=0.3 if "noise" in name else 0.05
        )


def test_the_bound_lies_below_the_expected_log_likelihood_and_meets_it_without_variance() -> None:
    head, x, y = random_head("dense"), features().double(), labels()
    mean, cov, noise = moments(head)
    rng, draws = np.random.default_rng(0), 4000
    weights = np.stack([rng.multivariate_normal(mean[k], cov[k], draws) for k in range(K)], axis=1)
    logits = np.einsum("skd,nd->snk", weights, x.numpy()) + rng.normal(size=(draws, 1, K)) * np.sqrt(noise)
    expected = np.log(softmax(logits))[:, np.arange(len(x)), y.numpy()].mean(0)
    bound = head.bound(x, y).detach().numpy()
    assert (bound <= expected + 0.1).all()
    assert bound.mean() < expected.mean()
    with torch.no_grad():
        head.log_diagonal.fill_(-30)
        head.noise_log_sd.fill_(-30)
        assert head.below is not None
        head.below.zero_()
    point = torch.log_softmax(x @ head.mean.T, dim=1).gather(1, y[:, None])[:, 0]
    torch.testing.assert_close(head.bound(x, y), point, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_predictions_average_the_softmax_over_the_posterior(covariance: str) -> None:
    head, x = random_head(covariance), features(3).double()
    mean, cov, noise = moments(head)
    rng, draws = np.random.default_rng(0), 20_000
    weights = np.stack([rng.multivariate_normal(mean[k], cov[k], draws) for k in range(K)], axis=1)
    logits = np.einsum("skd,nd->snk", weights, x.numpy()) + rng.normal(size=(draws, 1, K)) * np.sqrt(noise)
    with seeded(2):
        probs = vbll(covariance, samples=20_000).outputs(head, x).probs().numpy()
    np.testing.assert_allclose(probs, softmax(logits).mean(0), atol=5 * math.sqrt(2 * 0.25 / draws))


def test_a_short_stage_2_learns_and_doubts_far_from_the_data() -> None:
    centres = 3 * torch.eye(D)[:K]
    x, y = centres[labels(160)] + 0.3 * features(160), labels(160)
    task = refit_task(train_features=x, train_labels=y, val_features=x[:40], val_labels=y[:40])
    method = VBLL("dense", 1.0, 1.0, 1.0, 20, 1.0, **STAGE_2 | {"epochs": 40, "lr": 0.03})
    with seeded(0):
        head = method.build(D, K)
        figures = method.fit(head, task)
        near = method.outputs(head, x).probs()
        far = method.outputs(head, 10 * torch.eye(D)[-1:].expand(40, D)).probs()  # a direction without data
    assert figures["val_nll"] < 0.3 < math.log(K)
    assert float((near.argmax(1) == y).double().mean()) > 0.95
    assert float(far.amax(1).mean()) < float(near.amax(1).mean())
