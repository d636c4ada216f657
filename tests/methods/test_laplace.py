"""`laplace` against the formulas of the last-layer Laplace approximation, written here in float64."""

from __future__ import annotations

import builtins
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pipeline_cases import members
from refit_cases import D, K, refit_task
from torch import nn

from calibench import InputError, Network
from calibench.cache.stage_cache import StageCache
from calibench.models.vision_import import torchvision_operators
from calibench_methods.refits.laplace import LastLayerLaplace


def laplace(
    structure: str = "full", prediction: str = "probit", precision: float | None = 2.0, samples: int = 100
) -> LastLayerLaplace:
    """The refit; skips the test if laplace-torch is not installed."""
    torchvision_operators()
    pytest.importorskip("laplace", reason="laplace-torch is not installed (pip install calibench[bayes])")
    return LastLayerLaplace(structure, prediction, samples, precision)


def gauss_newton(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The generalised Gauss-Newton Hessian `[P, P]` of the summed NLL, Jacobians `[N, K, P]` and logits `[N, K]`."""
    logits = x @ weight.T + bias
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    jacobians = np.zeros((len(x), K, K * D + K))
    for k in range(K):
        jacobians[:, k, k * D : (k + 1) * D] = x
        jacobians[:, k, K * D + k] = 1
    curvature = np.stack([np.diag(row) - np.outer(row, row) for row in p])
    return np.einsum("nkp,nkl,nlq->pq", jacobians, curvature, jacobians), jacobians, logits


@pytest.mark.slow
def test_full_laplace_with_the_probit_link_equals_its_formula() -> None:
    method, task = laplace(), refit_task()
    head = method.build(D, K)
    assert method.fit(head, task)["prior_precision"] == 2.0
    probs = method.outputs(head, task.val_features).probs().numpy()
    weight, bias = (t.detach().double().numpy() for t in task.original_head.parameters())
    hessian, _, _ = gauss_newton(task.train_features.double().numpy(), weight, bias)
    covariance = np.linalg.inv(hessian + 2.0 * np.eye(len(hessian)))
    _, jacobians, mean = gauss_newton(task.val_features.double().numpy(), weight, bias)
    variance = np.einsum("nkp,pq,nkq->nk", jacobians, covariance, jacobians)
    scaled = mean / np.sqrt(1 + np.pi / 8 * variance)
    expected = np.exp(scaled) / np.exp(scaled).sum(1, keepdims=True)
    np.testing.assert_allclose(probs, expected, rtol=2e-4, atol=1e-5)


def train_to_optimum(head: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    """Minimise the summed NLL with a small weight decay."""
    optimiser = torch.optim.LBFGS(head.parameters(), max_iter=200)

    def closure() -> float:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(head(x), y, reduction="sum")
        loss = loss + 0.5 * sum(p.square().sum() for p in head.parameters())
        loss.backward()
        return float(loss.detach())

    optimiser.step(closure)


@pytest.mark.slow
def test_the_prior_precision_maximises_the_marginal_likelihood() -> None:
    method, task = laplace(precision=None), refit_task()
    train_to_optimum(task.original_head, task.train_features, task.train_labels)
    tau = method.fit(method.build(D, K), task)["prior_precision"]
    weight, bias = (t.detach().double().numpy() for t in task.original_head.parameters())
    x, y = task.train_features.double().numpy(), task.train_labels.numpy()
    hessian, _, logits = gauss_newton(x, weight, bias)
    nll = (np.log(np.exp(logits).sum(1)) - logits[np.arange(len(y)), y]).sum()
    w = np.concatenate([weight.ravel(), bias])

    def log_evidence(t: float) -> float:
        log_det = np.linalg.slogdet(hessian + t * np.eye(len(w)))[1]
        return float(-nll - 0.5 * (t * w @ w + log_det - len(w) * math.log(t)))

    assert log_evidence(tau) >= max(log_evidence(tau * 2), log_evidence(tau / 2))


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", ["laplace", "laplace:structure=full,prediction=mc,samples=50", "laplace:structure=diag"]
)
def test_outputs_from_the_cache_are_the_same(recipe: str, tmp_path: Path) -> None:
    laplace()
    cache = StageCache(tmp_path)
    cold = members(recipe, cache=cache).run(("test",))["test"].check("cold")
    warm = members(recipe, cache=cache).run(("test",))["test"]
    assert cache.misses == ["stage1", "features", "stage2"]
    torch.testing.assert_close(warm.scores, cold.scores, rtol=1e-6, atol=1e-7)
    plain = members("ce", cache=cache).run(("test",))["test"]
    assert not torch.allclose(cold.probs(), plain.probs(), atol=1e-3)


@pytest.mark.parametrize("head", [nn.Sequential(nn.Linear(D, K)), nn.Linear(D, K, bias=False)], ids=["mlp", "no bias"])
def test_a_head_that_is_not_linear_with_a_bias_is_refused(head: nn.Module) -> None:
    with pytest.raises(InputError, match="linear last layer"):
        laplace().check(Network(nn.Flatten(), head, D), (D,))


@pytest.mark.parametrize(("sampler", "layer"), [("batch-ensemble", "MemberLayer"), ("masksembles", "MaskedLayer")])
def test_a_converted_layer_is_refused_before_training(sampler: str, layer: str) -> None:
    laplace()
    with pytest.raises(InputError, match=f"this one is a {layer}"):
        members(f"laplace+{sampler}", model="mlp:hidden=16")


def test_idle_samples_are_refused() -> None:
    with pytest.raises(InputError, match="samples=7 would do nothing"):
        laplace(samples=7)


def test_the_error_without_the_package_has_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import_module = builtins.__import__

    def without_laplace(name: str, *args: Any) -> Any:
        if name == "laplace":
            raise ImportError("No module named 'laplace'")
        return import_module(name, *args)

    monkeypatch.setattr(builtins, "__import__", without_laplace)
    with pytest.raises(InputError) as raised:
        LastLayerLaplace("kron", "probit", 100, None)
    assert raised.value.hint == 'pip install "calibench[bayes]"'
