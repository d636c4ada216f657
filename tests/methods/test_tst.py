"""`tst` against its formula, and the rules of stage 2 for heads trained on features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from refit_cases import STAGE_2, D, K, features, labels, refit_task, softmax
from torch import nn

from calibench import InputError, seeds
from calibench.stages import Batch
from calibench.training import prediction as training
from calibench_methods.objectives.ce import CrossEntropy
from calibench_methods.refits.mean_field import MeanField
from calibench_methods.refits.tst import TST
from calibench_methods.refits.vtst import VTST

Z = 5


def test_the_heads_have_the_stated_layers() -> None:
    mlp, linear = TST(Z, "mlp", **STAGE_2).build(D, K), TST(128, "linear", **STAGE_2).build(D, K)
    assert [tuple(p.shape) for p in mlp.parameters()] == [(3 * Z, D), (3 * Z,), (Z, 3 * Z), (Z,), (K, Z), (K,)]
    assert [tuple(p.shape) for p in linear.parameters()] == [(K, D), (K,)]
    weight, bias = (p.detach().double().numpy() for p in linear.parameters())
    scores = TST(128, "linear", **STAGE_2).outputs(linear, features()).scores.numpy()
    np.testing.assert_allclose(scores, features().double().numpy() @ weight.T + bias, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["mlp", "linear"])
def test_the_loss_is_cross_entropy(kind: str) -> None:
    method = TST(Z if kind == "mlp" else 128, kind, **STAGE_2)
    module, x, y = method.build(D, K), features(4), labels(4)
    p = softmax(method.outputs(module, x).scores.double().numpy())
    expected = -np.log(p[np.arange(4), y.numpy()]).mean()
    assert float(method.loss(module, x, y, 40).detach()) == pytest.approx(expected, rel=1e-6)


def test_a_step_of_stage_2_follows_the_gradient_of_the_loss() -> None:
    """One step of Adam on the whole batch moves every weight by the step size, against its gradient."""
    task = refit_task()
    method = TST(128, "linear", **(STAGE_2 | {"epochs": 1, "batch_size": 40, "select": "last"}))
    module = method.build(D, K)
    method.loss(module, task.train_features, task.train_labels, 40).backward()
    before = [(p.detach().clone(), p.grad) for p in module.parameters()]
    method.fit(module, task)
    for parameter, (start, gradient) in zip(module.parameters(), before, strict=True):
        assert gradient is not None
        step = -STAGE_2["lr"] * gradient.sign()
        torch.testing.assert_close(parameter.detach() - start, step, rtol=1e-3, atol=1e-6)


def test_ce_is_the_mean_of_minus_log_p() -> None:
    logits, y = features()[:, :K] * 9, labels()
    p = softmax(logits.double().numpy())[np.arange(len(y)), y.numpy()]
    loss = CrossEntropy().loss(logits, Batch(logits, y, torch.arange(len(y))))
    assert float(loss) == pytest.approx(-np.log(p).mean(), rel=1e-6)


@pytest.mark.parametrize(
    "method",
    [
        TST(Z, "mlp", **STAGE_2),
        TST(128, "linear", **STAGE_2),
        VTST(Z, 7, None, **STAGE_2),
        MeanField(1.0, 3, 1.0, **STAGE_2),
    ],
    ids=lambda method: method.name,
)
def test_stage_2_depends_on_the_seed_only(method: Any) -> None:
    def fitted(seed: int) -> tuple[nn.Module, dict[str, float]]:
        with seeds.seeded(seed):
            module = method.build(D, K)
            return module, method.fit(module, refit_task())

    (first, figures), (again, same_figures), (other_seed, _) = fitted(0), fitted(0), fitted(1)
    assert figures == same_figures
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other_seed.parameters(), strict=True))


@pytest.mark.parametrize("kind", ["mlp", "linear"])
def test_the_record_has_the_validation_nll_of_the_head_that_is_kept(kind: str) -> None:
    method, task = TST(Z if kind == "mlp" else 128, kind, **STAGE_2), refit_task()
    module = method.build(D, K)
    figures = method.fit(module, task)
    assert {"epoch", "val_nll", "ended_after"} < set(figures)
    nll = training.mean_nll(method.outputs(module, task.val_features).scores, task.val_labels)
    assert figures["val_nll"] == pytest.approx(nll, rel=1e-12)


def test_a_latent_size_of_a_linear_head_is_refused() -> None:
    with pytest.raises(InputError, match="latent_dim=5 would do nothing"):
        TST(5, "linear", **STAGE_2)
