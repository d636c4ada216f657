"""`vtst` against its formulas, written here in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refit_cases import STAGE_2, D, K, features, labels, refit_task, softmax
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

from calibench import seeds
from calibench.config.resolve import resolve
from calibench_methods.layers.variational_head import VariationalHead, kl_to_standard_normal
from calibench_methods.refits.vtst import BLOCK_ROWS, VTST

Z, M = 5, 7


def head(seed: int = 0) -> VariationalHead:
    with seeds.seeded(seed):
        return VariationalHead(D, K, Z)


def branch(module: VariationalHead, which: int, x: np.ndarray) -> np.ndarray:
    """The output of the mean head (0), or of the variance head before its log-sigmoid (1), layer by layer in float64."""
    w1, b1, w2, b2 = (
        p.detach().double().numpy()[which]
        for p in (module.hidden_weight, module.hidden_bias, module.latent_weight, module.latent_bias)
    )
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2


def decoder(module: VariationalHead) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias in float64."""
    weight, bias = (p.detach().double().numpy() for p in module.decoder.parameters())
    return weight, bias


# --- the KL term ----------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.integers(1, 12), spread=st.floats(0.01, 5))
def test_kl_equals_torch_distributions(seed: int, size: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    mean = torch.from_numpy(rng.normal(size=(3, size)) * spread)
    log_variance = -torch.from_numpy(rng.exponential(size=(3, size)) * spread)
    q = Independent(Normal(mean, (log_variance / 2).exp()), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    kl = kl_to_standard_normal(mean, log_variance)
    torch.testing.assert_close(kl, kl_divergence(q, prior), rtol=1e-10, atol=1e-12)


def test_kl_equals_its_monte_carlo_estimate_and_is_0_at_the_prior() -> None:
    rng = np.random.default_rng(0)
    mean, log_variance = np.array([0.7, -1.2, 0.0]), np.array([-0.3, -2.0, 0.0])
    z = mean + np.exp(log_variance / 2) * rng.normal(size=(400_000, 3))
    log_q = -0.5 * ((z - mean) ** 2 / np.exp(log_variance) + log_variance + math.log(2 * math.pi)).sum(axis=1)
    log_p = -0.5 * (z**2 + math.log(2 * math.pi)).sum(axis=1)
    gap = log_q - log_p
    kl = float(kl_to_standard_normal(torch.from_numpy(mean)[None], torch.from_numpy(log_variance)[None]))
    assert abs(kl - gap.mean()) < 5 * gap.std() / math.sqrt(len(gap))
    assert float(kl_to_standard_normal(torch.zeros(1, 9), torch.zeros(1, 9))) == 0


# --- the variational head -------------------------------------------------------------------------------------------


def test_the_head_has_the_papers_layers() -> None:
    module = VariationalHead(640, 10, 128)
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items() if name.endswith("weight")}
    assert shapes == {"hidden_weight": (2, 640, 384), "latent_weight": (2, 384, 128), "decoder.weight": (10, 128)}


def test_the_head_is_initialised_like_linear_layers() -> None:
    module = VariationalHead(640, 10, 128)
    for fan_in, parameters in (
        (640, (module.hidden_weight, module.hidden_bias)),
        (384, (module.latent_weight, module.latent_bias)),
    ):
        for parameter in parameters:
            bound = 1 / math.sqrt(fan_in)
            assert parameter.detach().abs().max() <= bound
            assert parameter.detach().abs().max() > 0.9 * bound
            assert not torch.equal(parameter[0], parameter[1])


@settings(max_examples=30, deadline=None)
@given(scale=st.sampled_from([1e-3, 1.0, 1e2, 1e5]), seed=st.integers(0, 1000))
def test_the_variance_never_exceeds_1(scale: float, seed: int) -> None:
    log_variance = head(seed).posterior(features(seed=seed) * scale)[1]
    assert (log_variance <= 0).all()
    assert torch.isfinite(log_variance).all()


@pytest.mark.parametrize("kl_weight", [None, 0.0, 1.0, 0.3])
def test_the_loss_equals_its_formula_for_one_draw(kl_weight: float | None) -> None:
    module, x, y = head(), features(3), labels(3)
    with seeds.seeded(9):
        loss = VTST(Z, M, kl_weight, **STAGE_2).loss(module, x, y, 40)
    with seeds.seeded(9):
        eps = torch.randn(3, Z).double().numpy()
    wide = x.double().numpy()
    mean, log_variance = branch(module, 0, wide), -np.logaddexp(0, -branch(module, 1, wide))
    weight, bias = decoder(module)
    p = softmax((mean + np.exp(log_variance / 2) * eps) @ weight.T + bias)
    kl = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(axis=1).mean()
    expected = -np.log(p[np.arange(3), y.numpy()]).mean() + (1 / Z if kl_weight is None else kl_weight) * kl
    assert float(loss.detach()) == pytest.approx(expected, rel=2e-6)


def test_stage_2_lowers_the_loss() -> None:
    module, task = head(), refit_task()
    method = VTST(Z, M, None, **(STAGE_2 | {"epochs": 40, "select": "last"}))

    def mean_loss() -> float:
        with seeds.seeded(0):
            losses = [method.loss(module, task.train_features, task.train_labels, 40).detach() for _ in range(50)]
        return float(torch.stack(losses).mean())

    before = mean_loss()
    with seeds.seeded(0):
        method.fit(module, task)
    assert mean_loss() < before - 0.1


def test_the_default_weight_of_the_kl_term_is_one_over_z() -> None:
    assert VTST(128, M, None, **STAGE_2).kl_weight == 1 / 128
    assert VTST(128, M, 0.0, **STAGE_2).kl_weight == 0
    refit = resolve("vtst").of_kind("refit")[0]
    assert (refit.params["latent_dim"], refit.params["samples"], refit.params["kl_weight"]) == (128, 10, None)


def test_the_gradient_reaches_every_layer() -> None:
    module = head()
    logits, kl = module.elbo_terms(features())
    (nn.functional.cross_entropy(logits, labels()) + kl.mean() / Z).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


# --- prediction -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 2, 10])
def test_the_prediction_is_the_mean_of_m_softmaxes(samples: int) -> None:
    module, x = head(), features()
    with seeds.seeded(5):
        outputs = VTST(Z, samples, None, **STAGE_2).outputs(module, x)
    with seeds.seeded(5):
        eps = torch.randn(samples, len(x), Z).double().numpy()
    wide = x.double().numpy()
    mean = branch(module, 0, wide)
    sd = np.exp(-0.5 * np.logaddexp(0, -branch(module, 1, wide)))
    weight, bias = decoder(module)
    expected = softmax((mean + sd * eps) @ weight.T + bias).mean(axis=0)
    np.testing.assert_allclose(outputs.probs().numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(outputs.scores.exp().sum(dim=1).numpy(), 1, rtol=1e-12)  # they are log-probabilities
    assert outputs.scores.dtype == torch.float64
    assert not outputs.from_probs


def test_averaging_keeps_small_probabilities() -> None:
    module = head()
    with torch.no_grad():
        module.decoder.bias.copy_(torch.tensor([500.0, 0, 0, 0]))
    with seeds.seeded(0):
        outputs = VTST(Z, M, None, **STAGE_2).outputs(module, features()).check("V-TST")
    assert (outputs.scores[:, 1:] < -400).all()


def test_prediction_in_blocks_covers_every_row_in_order() -> None:
    """Without variance the prediction does not depend on the draws, so not on the blocks."""
    module, x = head(), features(2 * BLOCK_ROWS + 7)
    with torch.no_grad():
        module.latent_bias[1].fill_(-60.0)
    method = VTST(Z, 2, None, **STAGE_2)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    scores = method.outputs(module, x).scores
    torch.testing.assert_close(method.outputs(module, x[order]).scores, scores[order], rtol=1e-5, atol=1e-5)


def test_every_validation_uses_the_same_draws() -> None:
    module, task, method = head(), refit_task(), VTST(Z, M, None, **STAGE_2)
    values = set()
    for _ in range(3):
        values.add(method.validation_nll(module, task))
        torch.rand(1)
    assert len(values) == 1


@pytest.mark.parametrize("changes", [{}, {"select": "last"}])
def test_the_record_has_the_validation_nll_of_the_head_that_is_kept(changes: dict[str, Any]) -> None:
    module, task, method = head(), refit_task(), VTST(Z, M, None, **(STAGE_2 | changes))
    with seeds.seeded(0):
        figures = method.fit(module, task)
    assert {"epoch", "val_nll", "ended_after"} < set(figures)
    assert figures["val_nll"] == pytest.approx(method.validation_nll(module, task), rel=1e-12)
