"""`mean-field` against its formulas: the KL term, the distribution of logits, the ELBO and the averaged prediction."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from refit_cases import STAGE_2, D, K, features, refit_task
from torch import nn
from torch.distributions import Normal, kl_divergence

from calibench.seeds import seeded
from calibench_methods.layers import MeanFieldHead
from calibench_methods.refits.mean_field import MeanField


def sd_of(head: MeanFieldHead) -> tuple[torch.Tensor, torch.Tensor]:
    """The standard deviations of weights and biases."""
    return nn.functional.softplus(head.weight_rho).detach(), nn.functional.softplus(head.bias_rho).detach()


def random_head() -> MeanFieldHead:
    with seeded(0):
        head = MeanFieldHead(D, K)
        nn.init.normal_(head.weight_rho)
        nn.init.normal_(head.bias_rho)
    return head


@pytest.mark.parametrize("prior_sd", [0.3, 1.0, 4.0])
def test_the_kl_of_the_weights_is_the_closed_form(prior_sd: float) -> None:
    head = random_head()
    weight_sd, bias_sd = sd_of(head)
    expected = sum(
        float(kl_divergence(Normal(mean.detach().double(), sd.double()), Normal(0.0, prior_sd)).sum())
        for mean, sd in ((head.weight, weight_sd), (head.bias, bias_sd))
    )
    assert float(head.kl(prior_sd).detach()) == pytest.approx(expected, rel=1e-5)


def test_logits_have_the_distribution_that_drawn_weights_give() -> None:
    head, x, draws = random_head(), features(2), 10_000
    with seeded(0), torch.no_grad():
        logits = torch.stack([head(x) for _ in range(draws)])
        weight_sd, bias_sd = sd_of(head)
        weights = head.weight + weight_sd * torch.randn(draws, K, D)
        biases = head.bias + bias_sd * torch.randn(draws, K)
        by_weights = torch.einsum("skd,nd->snk", weights, x) + biases[:, None]
    sd = by_weights.std(0)
    assert ((logits.mean(0) - by_weights.mean(0)).abs() < 5 * sd * math.sqrt(2 / draws)).all()
    assert ((logits.std(0) / sd - 1).abs() < 5 / math.sqrt(draws)).all()


def test_the_head_starts_as_a_point_estimate_and_predictions_average_samples() -> None:
    method = MeanField(1.0, 3, 1.0, **STAGE_2)
    with seeded(0):
        head = method.build(D, K)
    assert isinstance(head, MeanFieldHead)
    assert all(torch.allclose(sd, torch.tensor(0.01)) for sd in sd_of(head))
    with seeded(5):
        outputs = method.outputs(head, features())
    with seeded(5), torch.no_grad():
        expected = torch.stack([head(features()).double().softmax(1) for _ in range(3)]).mean(0)
    torch.testing.assert_close(outputs.probs(), expected, rtol=1e-12, atol=0)
    assert outputs.from_probs


def test_the_loss_is_the_negative_elbo_per_row() -> None:
    method, head, task = MeanField(0.5, 4, 0.7, **STAGE_2), random_head(), refit_task()
    x, y, rows = task.train_features[:7], task.train_labels[:7], len(task.train_labels)
    with seeded(9):
        loss = float(method.loss(head, x, y, rows).detach())
    with seeded(9), torch.no_grad():
        logits = head(x).double().numpy()
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    cross_entropy = -log_p[np.arange(7), y.numpy()].mean()
    assert loss == pytest.approx(cross_entropy + 0.7 * float(head.kl(0.5).detach()) / rows, rel=1e-5)
