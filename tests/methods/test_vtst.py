"""TST and V-TST against formulas written here in float64, and against what stage 2 must never do."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

from calibench import InputError, Outputs, seeds
from calibench.cache.stage_cache import StageCache
from calibench.config.from_words import resolve
from calibench.config.run_config import RunConfig
from calibench.data.load import load_data
from calibench.data.prepare import SPLITS
from calibench.models.network import Network
from calibench.progress import quiet
from calibench.recipe.member import Member
from calibench.recipe.members import Members
from calibench.stages import Batch, RefitTask
from calibench.training import prediction as training
from calibench_methods.layers.variational_head import VariationalHead, kl_to_standard_normal
from calibench_methods.objectives.ce import CrossEntropy
from calibench_methods.refits import stage_2 as refitting
from calibench_methods.refits.stage_2 import Stage2
from calibench_methods.refits.tst import TST
from calibench_methods.refits.vtst import VTST

STAGE_2: dict[str, Any] = {"epochs": 2, "lr": 1e-2, "batch_size": 16, "weight_decay": 0.0, "select": "best"}
N, D, K, Z, M = 40, 6, 4, 5, 7


pytestmark = pytest.mark.usefixtures("one_thread")


def head(seed: int = 0) -> VariationalHead:
    with seeds.seeded(seed):
        return VariationalHead(D, K, Z)


def features(n: int = N, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32))


def labels(n: int = N) -> torch.Tensor:
    return torch.arange(n) % K


def refit_task(**changes: Any) -> RefitTask:
    given: dict[str, Any] = {
        "train_features": features(),
        "train_labels": labels(),
        "val_features": features(16, 2),
        "val_labels": labels(16),
        "num_classes": K,
        "original_head": nn.Linear(D, K),
        "seed": 0,
        "report": quiet,
    }
    return RefitTask(**(given | changes))


def layers(module: nn.Sequential) -> list[tuple[np.ndarray, np.ndarray]]:
    return [
        (m.weight.detach().double().numpy(), m.bias.detach().double().numpy())
        for m in module
        if isinstance(m, nn.Linear)
    ]


def branch(module: VariationalHead, which: int, x: np.ndarray) -> np.ndarray:
    """The mean head (0) or what goes into the variance head's log-sigmoid (1), layer by layer in float64."""
    w1, b1, w2, b2 = (
        p.detach().double().numpy()[which]
        for p in (module.hidden_weight, module.hidden_bias, module.latent_weight, module.latent_bias)
    )
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# --- the KL term ----------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.integers(1, 12), spread=st.floats(0.01, 5))
def test_kl_equals_torch_distributions(seed: int, size: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    mean = torch.from_numpy(rng.normal(size=(3, size)) * spread)
    log_variance = -torch.from_numpy(rng.exponential(size=(3, size)) * spread)
    q = Independent(Normal(mean, (log_variance / 2).exp()), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    torch.testing.assert_close(
        kl_to_standard_normal(mean, log_variance), kl_divergence(q, prior), rtol=1e-10, atol=1e-12
    )


def test_kl_equals_its_monte_carlo_estimate_and_is_0_at_the_prior() -> None:
    rng = np.random.default_rng(0)
    mean, log_variance = np.array([0.7, -1.2, 0.0]), np.array([-0.3, -2.0, 0.0])
    z = mean + np.exp(log_variance / 2) * rng.normal(size=(400_000, 3))
    log_q = -0.5 * ((z - mean) ** 2 / np.exp(log_variance) + log_variance + math.log(2 * math.pi)).sum(axis=1)
    log_p = -0.5 * (z**2 + math.log(2 * math.pi)).sum(axis=1)
    gap = log_q - log_p
    found = float(kl_to_standard_normal(torch.from_numpy(mean)[None], torch.from_numpy(log_variance)[None]))
    assert abs(found - gap.mean()) < 5 * gap.std() / math.sqrt(len(gap))
    assert float(kl_to_standard_normal(torch.zeros(1, 9), torch.zeros(1, 9))) == 0


# --- the variational head -------------------------------------------------------------------------------------------


def test_the_head_has_the_papers_layers() -> None:
    module = VariationalHead(640, 10, 128)
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items() if name.endswith("weight")}
    assert shapes == {"hidden_weight": (2, 640, 384), "latent_weight": (2, 384, 128), "decoder.weight": (10, 128)}


def test_the_head_starts_as_linear_layers_do() -> None:
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
    found = head(seed).posterior(features(seed=seed) * scale)[1]
    assert (found <= 0).all()
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("kl_weight", [None, 0.0, 1.0, 0.3])
def test_the_loss_equals_its_formula(kl_weight: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    module, task, losses, draws = head(), refit_task(), [], []
    method = VTST(Z, M, kl_weight, **STAGE_2)
    rows = torch.tensor([3, 0, 11])

    def once(trained: nn.Module, step: Any, *_: Any, **__: Any) -> dict[str, float]:
        losses.append(step(rows).item())
        return {}

    def normal(like: torch.Tensor) -> torch.Tensor:
        draws.append(torch.linspace(-2, 2, like.numel()).reshape(like.shape))
        return draws[-1]

    monkeypatch.setattr(refitting.training, "train", once)
    monkeypatch.setattr(torch, "randn_like", normal)
    method.fit(module, task)
    assert len(draws) == 1  # one sample a step
    x, y = task.train_features[rows].double().numpy(), task.train_labels[rows].numpy()
    mean = branch(module, 0, x)
    log_variance = -np.logaddexp(0, -branch(module, 1, x))
    z = mean + np.exp(log_variance / 2) * draws[0].double().numpy()
    logits = z @ module.decoder.weight.detach().double().numpy().T + module.decoder.bias.detach().double().numpy()
    entropy = -np.log(softmax(logits)[np.arange(3), y]).mean()
    kl = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(axis=1).mean()
    weight = 1 / Z if kl_weight is None else kl_weight
    assert losses[0] == pytest.approx(entropy + weight * kl, rel=2e-6)


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


@pytest.mark.parametrize("samples", [1, 2, 10])
def test_the_prediction_is_the_mean_of_m_softmaxes(samples: int) -> None:
    module, x = head(), features()
    with seeds.seeded(5):
        found = VTST(Z, samples, None, **STAGE_2).outputs(module, x)
    with seeds.seeded(5):
        eps = torch.randn(samples, N, Z).double().numpy()
    wide = x.double().numpy()
    mean = branch(module, 0, wide)
    sd = np.exp(-0.5 * np.logaddexp(0, -branch(module, 1, wide)))
    weight, bias = (p.detach().double().numpy() for p in module.decoder.parameters())
    expected = softmax((mean + sd * eps) @ weight.T + bias).mean(axis=0)
    np.testing.assert_allclose(found.probs().numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(found.scores.exp().sum(dim=1).numpy(), 1, rtol=1e-12)  # they are log-probabilities
    assert found.scores.dtype == torch.float64
    assert not found.from_probs


def test_averaging_loses_no_small_probability() -> None:
    module = head()
    with torch.no_grad():
        module.decoder.bias.copy_(torch.tensor([500.0, 0, 0, 0]))
    with seeds.seeded(0):
        found = VTST(Z, M, None, **STAGE_2).outputs(module, features())
    found.check("V-TST")
    assert (found.scores[:, 1:] < -400).all()


def test_prediction_in_blocks_covers_every_row_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    module, x = head(), features()
    with torch.no_grad():  # no variance to speak of: the result must not depend on the draws, so not on the blocks
        module.latent_bias[1].fill_(-60.0)
    method = VTST(Z, 2, None, **STAGE_2)
    whole = method.outputs(module, x).scores
    monkeypatch.setattr("calibench_methods.refits.vtst.ROWS", 7)
    torch.testing.assert_close(method.outputs(module, x).scores, whole, rtol=1e-5, atol=1e-5)


def test_every_epoch_is_validated_with_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[float] = []

    def validate_thrice(module: nn.Module, step: Any, validate: Any, *_: Any, **__: Any) -> dict[str, float]:
        for _ in range(3):
            found.append(validate())
            torch.rand(1)
        return {}

    monkeypatch.setattr(refitting.training, "train", validate_thrice)
    VTST(Z, M, None, **STAGE_2).fit(head(), refit_task())
    assert found[0] == found[1] == found[2]


# --- TST ------------------------------------------------------------------------------------------------------------


def test_tst_heads() -> None:
    mlp, linear = TST(Z, "mlp", **STAGE_2).build(D, K), TST(128, "linear", **STAGE_2).build(D, K)
    assert [tuple(p.shape) for p in mlp.parameters()] == [(3 * Z, D), (3 * Z,), (Z, 3 * Z), (Z,), (K, Z), (K,)]
    assert [tuple(p.shape) for p in linear.parameters()] == [(K, D), (K,)]
    x = features()
    weight, bias = (p.detach().double().numpy() for p in linear.parameters())
    found = TST(128, "linear", **STAGE_2).outputs(linear, x)
    np.testing.assert_allclose(found.scores.numpy(), x.double().numpy() @ weight.T + bias, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["mlp", "linear"])
def test_tst_minimises_cross_entropy(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method = TST(Z if kind == "mlp" else 128, kind, **STAGE_2)
    module, task, losses = method.build(D, K), refit_task(), []
    rows = torch.tensor([5, 1, 2, 30])

    def once(trained: nn.Module, step: Any, *_: Any, **__: Any) -> dict[str, float]:
        losses.append(step(rows).item())
        return {}

    monkeypatch.setattr(refitting.training, "train", once)
    method.fit(module, task)
    p = softmax(method.outputs(module, task.train_features[rows]).scores.double().numpy())
    expected = -np.log(p[np.arange(4), task.train_labels[rows].numpy()]).mean()
    assert losses == [pytest.approx(expected, rel=1e-6)]


def test_ce_is_the_mean_of_minus_log_p() -> None:
    logits, y = features()[:, :K] * 9, labels()
    rows = torch.arange(N)
    p = softmax(logits.double().numpy())[np.arange(N), y.numpy()]
    assert float(CrossEntropy().loss(logits, Batch(logits, y, rows))) == pytest.approx(-np.log(p).mean(), rel=1e-6)


@pytest.mark.parametrize(
    "method", [TST(Z, "mlp", **STAGE_2), TST(128, "linear", **STAGE_2), VTST(Z, M, None, **STAGE_2)]
)
def test_stage_2_is_seeded_and_keeps_the_best_validation_nll(method: Any) -> None:
    def fitted(seed: int) -> tuple[nn.Module, dict[str, float]]:
        with seeds.seeded(seed):
            module = method.build(D, K)
            return module, method.fit(module, refit_task())

    (one, kept), (same, again), (other, _) = fitted(0), fitted(0), fitted(1)
    assert kept == again
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert set(kept) == {"epoch", "val_nll"}
    task = refit_task()
    with seeds.seeded(0x5EED):
        nll = training.mean_nll(method.outputs(one, task.val_features).scores, task.val_labels)
    assert nll == pytest.approx(kept["val_nll"], rel=1e-12)


# --- how long stage 2 lasts -----------------------------------------------------------------------------------------


def schedule(rows: int, epochs: int | None = None, batch: int | None = None) -> tuple[int, int]:
    found = Stage2(epochs, 1e-4, batch, 0.0, "best").schedule(rows)
    return found.epochs, found.batch_size


def test_the_papers_schedule_holds_from_9_473_rows_on() -> None:
    assert schedule(14_209) == (40, 384)
    assert schedule(45_000) == (40, 384)
    assert schedule(14_208)[0] > 40  # 37 batches of 384: 40 epochs are 1 480 steps
    assert schedule(14_208) == (41, 384)
    assert schedule(4_096) == (94, 256)
    assert schedule(4_095)[1] == 255


@settings(max_examples=200, deadline=None)
@given(rows=st.integers(1, 60_000))
def test_small_data_gets_1500_steps(rows: int) -> None:
    epochs, batch = schedule(rows)
    steps = epochs * math.ceil(rows / batch)
    assert steps >= 1500
    assert epochs >= 40
    assert 1 <= batch <= 384
    assert epochs == 40 or steps - math.ceil(rows / batch) < 1500  # no epoch more than that takes
    assert batch == 384 or batch == max(rows // 16, 1)


def test_what_is_stated_is_taken() -> None:
    assert schedule(500, epochs=3) == (3, 31)
    assert schedule(500, batch=500) == (1500, 500)
    assert schedule(500, epochs=3, batch=100) == (3, 100)


# --- stage 2 in the pipeline ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=160)
    x = (rng.normal(size=(160, 1, 6, 6)) + y[:, None, None, None]).astype(np.float32)
    file = tmp_path_factory.mktemp("methods") / "images.npz"
    np.savez(file, train_x=x, train_y=y)
    return f"npz:path={file}"


def configured(recipe: str, images: str, seed: int = 0) -> RunConfig:
    refit = recipe.partition(":")[0]
    changes = [f"{refit}.epochs=2", *([] if "linear" in recipe else [f"{refit}.latent_dim=4"])]
    return resolve(recipe, images, "cnn:width=4", epochs=2, seed=seed, settings=changes)


def built(recipe: str, images: str, seed: int = 0, cache: StageCache | None = None) -> Members:
    config = configured(recipe, images, seed)
    return Members(config, load_data(config), cache or StageCache(None), quiet)


@pytest.mark.parametrize("recipe", ["tst", "vtst", "tst:head=linear"])
def test_the_body_is_bit_identical_after_stage_2(recipe: str, images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = built(recipe, images)
    before: dict[str, torch.Tensor] = {}
    calls = {"body in stage 2": 0}
    features_of, stage_2 = Member._features, Member._stage_2

    def watched_features(self: Member, key: str) -> dict[str, torch.Tensor]:
        before.update({name: value.clone() for name, value in self.network.state_dict().items()})
        return features_of(self, key)

    def watched_stage_2(self: Member, *args: Any) -> nn.Module:
        def counted(*_: Any) -> None:
            calls["body in stage 2"] += 1

        handle = self.network.body.register_forward_hook(counted)
        try:
            return stage_2(self, *args)
        finally:
            handle.remove()

    monkeypatch.setattr(Member, "_features", watched_features)
    monkeypatch.setattr(Member, "_stage_2", watched_stage_2)
    outputs = pipeline.run(("cal", "test"))
    after = pipeline.network.state_dict()
    assert any(name.endswith("running_mean") for name in after)
    assert any(name.endswith("num_batches_tracked") for name in after)
    assert set(after) == set(before)
    for name, value in after.items():
        assert torch.equal(value, before[name]), name
    assert calls["body in stage 2"] == 0
    assert {name: len(found) for name, found in outputs.items()} == {
        k: pipeline.data.sizes()[k] for k in ("cal", "test")
    }


def test_features_are_computed_once_a_split(images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    forward = nn.Sequential.forward

    def counted(self: nn.Sequential, x: torch.Tensor) -> torch.Tensor:
        if any(isinstance(m, nn.Conv2d) for m in self):
            seen.append(len(x))
        return forward(self, x)

    cache = StageCache(tmp_path)
    built("tst", images, cache=cache).run(("test",))
    assert cache.misses == ["stage1", "features", "stage2"]
    monkeypatch.setattr(nn.Sequential, "forward", counted)
    pipeline = built("vtst", images, cache=cache)
    pipeline.run(("cal", "test"))
    assert seen == []  # TST left them
    pipeline = built("vtst", images)
    sizes = [len(getattr(pipeline.data, name)) for name in SPLITS]
    monkeypatch.setattr(pipeline.first.stage_1, "run", lambda said: ("key", {}))
    pipeline.run(("cal", "test"))
    assert seen == sizes


def test_outputs_are_the_refitted_heads_of_the_given_features(images: str) -> None:
    pipeline = built("tst:head=linear", images)
    found = pipeline.run(("test",))["test"]
    with seeds.seeded(0):
        features_of = training.predict(pipeline.network.body, torch.from_numpy(pipeline.data.test.x))
    old = pipeline.network.head(features_of).detach()
    assert not torch.allclose(found.scores, old)  # a new head, not the old one


def test_draws_are_seeded_and_differ_between_splits(images: str, monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[torch.Tensor] = []
    outputs = VTST.outputs

    def watched(self: VTST, module: nn.Module, rows: torch.Tensor) -> Outputs:
        states.append(torch.random.get_rng_state())
        return outputs(self, module, rows)

    one = built("vtst", images).run(("cal", "test"))
    same = built("vtst", images).run(("cal", "test"))
    turned = built("vtst", images).run(("test", "cal"))
    other = built("vtst", images, seed=1).run(("cal", "test"))
    for name in ("cal", "test"):
        assert torch.equal(one[name].scores, same[name].scores)
        assert torch.equal(one[name].scores, turned[name].scores)  # nor does their order matter
        assert not torch.equal(one[name].scores, other[name].scores)
    pipeline = built("vtst", images)
    pipeline.first.refit.fit = lambda *_: {}  # type: ignore[union-attr, method-assign]
    monkeypatch.setattr(VTST, "outputs", watched)
    pipeline.run(("cal", "test"))
    assert len(states) == 2
    assert not torch.equal(states[0], states[1])


def test_a_refit_sees_training_and_validation_alone_and_the_old_head(
    images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: list[RefitTask] = []

    def watched(self: TST, module: nn.Module, task: RefitTask) -> dict[str, float]:
        tasks.append(task)
        module(task.train_features).sum().backward()  # all the features at once, as a closed-form fit would take them
        return {}

    monkeypatch.setattr(TST, "fit", watched)
    pipeline = built("tst", images)
    pipeline.run(("test",))
    network: Network = pipeline.network
    for name, x, y in (
        ("train", tasks[0].train_features, tasks[0].train_labels),
        ("val", tasks[0].val_features, tasks[0].val_labels),
    ):
        split = getattr(pipeline.data, name)
        torch.testing.assert_close(x, training.predict(network.body, torch.from_numpy(split.x)))
        assert y.tolist() == split.y.tolist()
    assert tasks[0].original_head is network.head
    assert tasks[0].seed == pipeline.seeds["stage2"]


def test_a_latent_size_of_a_linear_head_is_refused() -> None:
    with pytest.raises(InputError, match="latent_dim=5 would do nothing"):
        TST(5, "linear", **STAGE_2)
