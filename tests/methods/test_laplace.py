"""reinit, mean-field and laplace against formulas written here in float64."""

from __future__ import annotations

import builtins
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from calibench import InputError, Network
from calibench.cache.stage_cache import StageCache
from calibench.config.from_words import resolve
from calibench.data.load import load_data
from calibench.models.vision_import import torchvision_operators
from calibench.progress import quiet
from calibench.recipe.members import Members
from calibench.seeds import seeded
from calibench.stages import RefitTask
from calibench.training.prediction import predict
from calibench_methods.layers import MeanFieldHead
from calibench_methods.refits import laplace
from calibench_methods.refits.mean_field import MeanField

pytestmark = pytest.mark.usefixtures("one_thread")

STAGE_2: dict[str, Any] = {"epochs": 2, "lr": 1e-2, "batch_size": 16, "weight_decay": 0.0, "select": "best"}
N, D, K = 60, 4, 3


def features(n: int = N, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32))


def task(**changes: Any) -> RefitTask:
    with seeded(1):
        head = nn.Linear(D, K)
    given: dict[str, Any] = {
        "train_features": features(),
        "train_labels": torch.arange(N) % K,
        "val_features": features(20, 1),
        "val_labels": torch.arange(20) % K,
        "num_classes": K,
        "original_head": head,
        "seed": 0,
        "report": quiet,
    }
    return RefitTask(**(given | changes))


def built(recipe: str, cache: StageCache | None = None, model: str = "mlp:hidden=8", **more: Any) -> Members:
    config = resolve(recipe, more.pop("dataset", "digits"), model, epochs=2, **more)
    return Members(config, load_data(config), StageCache(None) if cache is None else cache, quiet)


def spread(module: MeanFieldHead) -> tuple[torch.Tensor, torch.Tensor]:
    return nn.functional.softplus(module.weight_rho).detach(), nn.functional.softplus(module.bias_rho).detach()


def mean_field_head() -> MeanFieldHead:
    with seeded(0):
        module = MeanFieldHead(D, K)
        nn.init.normal_(module.weight_rho)
        nn.init.normal_(module.bias_rho)
    return module


@pytest.mark.parametrize("prior_sd", [0.3, 1.0, 4.0])
def test_the_kl_of_the_weights_is_the_closed_form(prior_sd: float) -> None:
    module = mean_field_head()
    weight_sd, bias_sd = spread(module)
    wanted = sum(
        float(kl_divergence(Normal(mean.detach().double(), sd.double()), Normal(0.0, prior_sd)).sum())
        for mean, sd in ((module.weight, weight_sd), (module.bias, bias_sd))
    )
    assert float(module.kl(prior_sd).detach()) == pytest.approx(wanted, rel=1e-5)


def test_logits_are_distributed_as_those_of_drawn_weights() -> None:
    module, x, draws = mean_field_head(), features(2), 20000
    with seeded(0), torch.no_grad():
        found = torch.stack([module(x) for _ in range(draws)])
        weight_sd, bias_sd = spread(module)
        weights = module.weight + weight_sd * torch.randn(draws, K, D)
        biases = module.bias + bias_sd * torch.randn(draws, K)
        wanted = torch.einsum("skd,nd->snk", weights, x) + biases[:, None]
    sd = wanted.std(0)
    assert ((found.mean(0) - wanted.mean(0)).abs() < 5 * sd * math.sqrt(2 / draws)).all()
    assert ((found.std(0) / sd - 1).abs() < 5 / math.sqrt(draws)).all()


def test_mean_field_starts_as_a_point_estimate_and_averages_its_samples() -> None:
    method = MeanField(1.0, 3, 1.0, **STAGE_2)
    with seeded(0):
        module = method.build(D, K)
    assert isinstance(module, MeanFieldHead)
    assert all(torch.allclose(sd, torch.tensor(0.01)) for sd in spread(module))
    with seeded(5):
        found = method.outputs(module, features())
    with seeded(5), torch.no_grad():
        wanted = torch.stack([module(features()).double().softmax(1) for _ in range(3)]).mean(0)
    torch.testing.assert_close(found.probs(), wanted, rtol=1e-12, atol=0)
    assert found.from_probs


def test_mean_field_minimises_the_elbo(monkeypatch: pytest.MonkeyPatch) -> None:
    from calibench_methods.refits import stage_2 as refitting

    method, module, given = MeanField(0.5, 4, 0.7, **STAGE_2), mean_field_head(), task()
    seen: list[float] = []

    def once(head: nn.Module, step: Any, *rest: Any, **named: Any) -> dict[str, float]:
        with seeded(9):
            seen.append(float(step(torch.arange(7))))
        return {}

    monkeypatch.setattr(refitting.training, "train", once)
    method.fit(module, given)
    with seeded(9), torch.no_grad():
        logits = module(given.train_features[:7]).double().numpy()
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    cross_entropy = -log_p[np.arange(7), given.train_labels[:7].numpy()].mean()
    assert seen[0] == pytest.approx(cross_entropy + 0.7 * float(module.kl(0.5).detach()) / N, rel=1e-5)


def test_reinit_moves_the_body_with_its_batch_norm_and_leaves_stage_1_in_the_cache(tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    before = built("ce", cache, "cnn:width=4")
    before.run(("test",))
    after = built("reinit:epochs=2,lr=0.01", cache, "cnn:width=4")
    outputs = after.run(("test",))["test"]
    assert cache.hits == ["stage1"]
    assert cache.misses == ["stage1", "stage2"]
    one, two = before.network.state_dict(), after.network.state_dict()
    assert one.keys() == two.keys()
    moved = {name for name in one if not torch.equal(one[name], two[name])}
    assert {"head.weight", "body.3.running_mean"} <= moved or len(moved) > 5
    assert any("running_mean" in name for name in moved)
    torch.testing.assert_close(
        outputs.scores, predict(after.network, torch.from_numpy(after.data.test.x)), rtol=0, atol=0
    )
    again = built("reinit:epochs=2,lr=0.01", cache, "cnn:width=4").run(("test",))["test"]
    assert torch.equal(again.scores, outputs.scores)
    assert [entry["stage"] for entry in after.fitted] == ["ce", "reinit"]


def test_reinit_has_nothing_to_train_on_given_features(tmp_path: Path) -> None:
    file = tmp_path / "f.npz"
    x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    np.savez(file, train_x=x, train_y=np.arange(200) % 2, head_weight=np.ones((2, 4)), head_bias=np.zeros(2))
    config = resolve("reinit", f"npz:path={file}", "frozen")
    with pytest.raises(InputError, match="trains the body") as raised:
        Members(config, load_data(config), StageCache(None), quiet)
    assert "tst:head=linear" in raised.value.hint


def last_layer(structure: str = "full", prediction: str = "probit", precision: float | None = 2.0, samples: int = 100):
    torchvision_operators()
    pytest.importorskip("laplace", reason="laplace-torch is not installed (pip install calibench[bayes])")
    return laplace.LastLayerLaplace(structure, prediction, samples, precision)


def ggn(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def test_full_laplace_with_the_probit_link_is_its_formula() -> None:
    method, given = last_layer(), task()
    head = method.build(D, K)
    figures = method.fit(head, given)
    assert figures["prior_precision"] == 2.0
    found = method.outputs(head, given.val_features).probs().numpy()
    weight, bias = (t.detach().double().numpy() for t in given.original_head.parameters())
    hessian, _, _ = ggn(given.train_features.double().numpy(), weight, bias)
    covariance = np.linalg.inv(hessian + 2.0 * np.eye(len(hessian)))
    _, jacobians, mean = ggn(given.val_features.double().numpy(), weight, bias)
    variance = np.einsum("nkp,pq,nkq->nk", jacobians, covariance, jacobians)
    scaled = mean / np.sqrt(1 + np.pi / 8 * variance)
    wanted = np.exp(scaled) / np.exp(scaled).sum(1, keepdims=True)
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=1e-5)


def test_the_prior_precision_maximises_the_marginal_likelihood() -> None:
    method, given = last_layer(precision=None), task()
    with seeded(2):  # a head that knows something, trained to its optimum under a little weight decay
        optimiser = torch.optim.LBFGS(given.original_head.parameters(), max_iter=200)

    def closure() -> float:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(
            given.original_head(given.train_features), given.train_labels, reduction="sum"
        )
        loss = loss + 0.5 * sum(p.square().sum() for p in given.original_head.parameters())
        loss.backward()
        return float(loss)

    optimiser.step(closure)
    tau = method.fit(method.build(D, K), given)["prior_precision"]
    weight, bias = (t.detach().double().numpy() for t in given.original_head.parameters())
    x, y = given.train_features.double().numpy(), given.train_labels.numpy()
    hessian, _, logits = ggn(x, weight, bias)
    nll = (np.log(np.exp(logits).sum(1)) - logits[np.arange(N), y]).sum()
    w = np.concatenate([weight.ravel(), bias])

    def evidence(t: float) -> float:
        log_det = np.linalg.slogdet(hessian + t * np.eye(len(w)))[1]
        return float(-nll - 0.5 * (t * w @ w + log_det - len(w) * math.log(t)))

    assert evidence(tau) >= max(evidence(tau * 2), evidence(tau / 2))


@pytest.mark.parametrize(
    "recipe", ["laplace", "laplace:structure=full,prediction=mc,samples=50", "laplace:structure=diag"]
)
def test_a_laplace_run_is_the_same_from_the_cache(recipe: str, tmp_path: Path) -> None:
    last_layer()
    cache = StageCache(tmp_path)
    cold = built(recipe, cache).run(("test",))["test"].check("cold")
    warm = built(recipe, cache).run(("test",))["test"]
    assert cache.misses == ["stage1", "features", "stage2"]
    torch.testing.assert_close(warm.scores, cold.scores, rtol=1e-6, atol=1e-7)
    plain = built("ce", cache).run(("test",))["test"]
    assert not torch.allclose(cold.probs(), plain.probs(), atol=1e-3)


def test_laplace_refuses_what_it_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="samples=7 would do nothing"):
        last_layer(samples=7)
    for head in (nn.Sequential(nn.Linear(D, K)), nn.Linear(D, K, bias=False)):
        with pytest.raises(InputError, match="linear last layer"):
            last_layer().check(Network(nn.Flatten(), head, D), (D,))
    with pytest.raises(InputError, match="this one is a MemberLayer"):
        built("laplace+batch-ensemble")  # before anything is trained
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "laplace":
            raise ImportError("No module named 'laplace'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError) as raised:
        laplace.LastLayerLaplace("kron", "probit", 100, None)
    assert raised.value.hint == 'pip install "calibench[bayes]"'


@pytest.mark.parametrize("recipe", ["tst", "vtst", "mean-field"])
def test_views_are_seen_by_the_body_once_and_drawn_from_in_every_epoch(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from calibench.recipe import member

    passes: list[int] = []

    def counted(module: nn.Module, x: torch.Tensor, **named: Any) -> torch.Tensor:
        passes.append(len(x))
        return predict(module, x, **named)

    cache = StageCache(tmp_path)
    built("ce", cache, "cnn:width=4").run(("test",))
    monkeypatch.setattr(member, "predict", counted)
    pipeline = built(f"{recipe}:views=3,epochs=4", cache, "cnn:width=4")
    one = pipeline.run(("test",))["test"]
    sizes = pipeline.data.sizes()
    assert sorted(passes) == sorted([*sizes.values(), sizes["train"], sizes["train"]])
    again = built(f"{recipe}:views=3,epochs=4", model="cnn:width=4").run(("test",))["test"]
    assert torch.equal(one.scores, again.scores)
    plain = built(f"{recipe}:epochs=4", cache, "cnn:width=4").run(("test",))["test"]
    assert not torch.equal(one.scores, plain.scores)


def test_every_view_is_drawn_with_its_own_label(monkeypatch: pytest.MonkeyPatch) -> None:
    from calibench_methods.refits import stage_2 as refitting

    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def once(head: nn.Module, step: Any, *rest: Any, **named: Any) -> dict[str, float]:
        with seeded(0):
            for _ in range(40):
                step(torch.arange(N))
        return {}

    def loss(rows: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen.append((rows, labels))
        return rows.sum()

    monkeypatch.setattr(refitting.training, "train", once)
    x = features()
    given = task(augmented=lambda view: x + 100 * float(view(torch.ones(1, 8, 8)).sum() > 0), input_shape=(8, 8))
    stage_2 = refitting.Stage2(**STAGE_2, views=2)
    refitting.refit(nn.Linear(D, K), given, stage_2, loss, lambda: 0.0, "test")
    shares = []
    for rows, labels in seen:
        assert torch.equal(labels, given.train_labels)
        second = rows[:, 0] > 50
        torch.testing.assert_close(rows[~second], x[~second])
        torch.testing.assert_close(rows[second], x[second] + 100)
        shares.append(float(second.double().mean()))
    assert abs(float(np.mean(shares)) - 0.5) < 5 * 0.5 / math.sqrt(40 * N)


@pytest.mark.parametrize(
    ("recipe", "dataset", "model", "message"),
    [
        ("tst:shift=1", "digits", "mlp", "shift would do nothing with views=1"),
        ("vtst:flip=true", "digits", "mlp", "flip would do nothing with views=1"),
        ("tst:views=2,shift=8", "digits", "mlp", "leaves nothing of images"),
        ("tst:views=2,shift=0", "digits", "mlp", "every view is the same"),
        ("vtst:views=2", "features", "frozen", "views need a body"),
        ("tst:views=2", "features", "mlp", "views need images"),
    ],
)
def test_views_that_cannot_be_made_are_refused(
    recipe: str, dataset: str, model: str, message: str, tmp_path: Path
) -> None:
    if dataset == "features":
        file = tmp_path / "f.npz"
        x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
        np.savez(file, train_x=x, train_y=np.arange(200) % 2, head_weight=np.ones((2, 4)), head_bias=np.zeros(2))
        dataset = f"npz:path={file}"
    config = resolve(recipe, dataset, model)
    with pytest.raises(InputError, match=message):
        Members(config, load_data(config), StageCache(None), quiet)
