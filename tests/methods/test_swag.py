"""Samplers and ensembles against what their papers' formulas give when they are written out one member at a time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector

from calibench import InputError, Outputs, RunError, run
from calibench.cache.stage_cache import StageCache
from calibench.config.from_words import resolve
from calibench.data.load import load_data
from calibench.models.network import Network
from calibench.outputs.outputs import average
from calibench.progress import quiet
from calibench.recipe.members import Members
from calibench.seeds import member_seed, seeded
from calibench.stages import SampleTask
from calibench.stages.sampler import as_it_is
from calibench.training.pixels import shifted
from calibench.training.prediction import predict
from calibench_methods.ensembles.ensemble import DeepEnsemble
from calibench_methods.layers import MemberLayer, member_layers
from calibench_methods.samplers.batch_ensemble import BatchEnsemble
from calibench_methods.samplers.mc_dropout import MCDropout
from calibench_methods.samplers.more_sgd import estimate_batch_norm
from calibench_methods.samplers.snapshot import Snapshot
from calibench_methods.samplers.swag import SWAG
from calibench_methods.samplers.tta import TestTimeAugmentation

pytestmark = pytest.mark.usefixtures("one_thread")

N, D, K = 60, 5, 3


def network(*layers: nn.Module, seed: int = 0) -> Network:
    with seeded(seed):
        body = nn.Sequential(nn.Linear(D, 8), nn.ReLU(), *layers)
        return Network(body, nn.Linear(8, K), 8)


def inputs(n: int = N, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32))


def labels(n: int = N) -> torch.Tensor:
    return torch.arange(n) % K


def task(module: nn.Module, x: torch.Tensor, **changes: Any) -> SampleTask:
    y = labels(len(x))
    given: dict[str, Any] = {
        "train_x": x,
        "loss": lambda rows: nn.functional.cross_entropy(module(x[rows]), y[rows]),
        "lr": 1e-3,
        "batch_size": 16,
        "report": quiet,
    }
    return SampleTask(**(given | changes))


def probs_of(sampler: Any, module: Network, x: torch.Tensor, train_x: torch.Tensor, **held: Any) -> list[torch.Tensor]:
    found = []
    for view in sampler.variants(module, held, train_x):
        with torch.inference_mode():
            found.append(module(view(x)).double().softmax(1))
    return found


def test_mc_dropout_drops_at_prediction_and_nothing_else_trains() -> None:
    module = network(nn.BatchNorm1d(8), nn.Dropout(0.5))
    predict(module, inputs())
    before = {k: v.clone() for k, v in module.state_dict().items()}
    sampler = MCDropout(4, None, "probs")
    sampler.check(module, (D,))
    with seeded(0):
        found = probs_of(sampler, module, inputs(), inputs())
    assert len(found) == 4
    assert not torch.equal(found[0], found[1])
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name  # batch-norm statistics too
    kept = [m.p for m in module.modules() if isinstance(m, nn.Dropout)]
    assert kept == [0.5]


def test_mc_dropout_averages_to_the_expected_probability() -> None:
    body, head = nn.Sequential(nn.Dropout(0.25)), nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 2.0], [0.0, 0.0]]))
    module = Network(body, head, 2)
    sampler = MCDropout(4000, None, "probs")
    with seeded(1):
        found = torch.stack(probs_of(sampler, module, torch.ones(1, 2), torch.ones(1, 2)))[:, 0, 0]
    # each input is kept, and scaled by 4/3, with probability 3/4: four masks
    wanted = sum(
        (0.75 if a else 0.25) * (0.75 if b else 0.25) / (1 + math.exp(-(a + 2 * b) * 4 / 3))
        for a in (0, 1)
        for b in (0, 1)
    )
    assert abs(float(found.mean()) - wanted) < 4 * float(found.std()) / math.sqrt(4000)


def test_mc_dropout_takes_another_rate_and_refuses_a_network_without() -> None:
    module = network(nn.Dropout(0.5))
    next(iter(MCDropout(2, 0.1, "probs").variants(module, {}, inputs())))
    assert [m.p for m in module.modules() if isinstance(m, nn.Dropout)] == [0.1]
    for without in (network(), network(nn.Dropout(0.0))):
        with pytest.raises(InputError, match="no dropout") as raised:
            MCDropout(2, None, "probs").check(without, (D,))
        assert "mlp:dropout=0.2" in raised.value.hint


def snapshots(sampler: Any, module: Network, x: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The weights after each epoch of `collect`, watched from outside."""
    seen: list[np.ndarray] = []
    told = lambda what, done, total, note: seen.append(  # noqa: E731
        parameters_to_vector(module.parameters()).detach().double().numpy().copy()
    )
    with seeded(3):
        sampler.held = sampler.collect(module, task(module, x, report=told))
    return seen


def test_swag_moments_are_those_of_the_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    module, sampler = network(), SWAG(5, 6, 0.05, 3, 1.0, "probs")
    seen = np.stack(snapshots(sampler, module, inputs(), monkeypatch))
    held = {k: v.numpy() for k, v in sampler.held.items()}
    np.testing.assert_allclose(held["mean"], seen.mean(0), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(held["variance"], seen.var(0), rtol=1e-6, atol=1e-12)
    running = np.stack([seen[: i + 1].mean(0) for i in range(len(seen))])
    np.testing.assert_allclose(held["deviations"], (seen - running)[-3:], rtol=1e-9, atol=1e-12)
    assert seen.std(0).max() > 0


def test_swag_draws_have_the_stated_covariance() -> None:
    module, draws = network(), 4000
    size = len(parameters_to_vector(module.parameters()))
    rng = np.random.default_rng(0)
    mean, variance, deviations = rng.normal(size=size), rng.uniform(0.1, 2, size), rng.normal(size=(4, size))
    held = {k: torch.from_numpy(v) for k, v in (("mean", mean), ("variance", variance), ("deviations", deviations))}
    found = []
    with seeded(0):
        for _ in SWAG(draws, 4, 0.1, 4, 0.5, "probs").variants(module, held, inputs()):
            found.append(parameters_to_vector(module.parameters()).detach().double().numpy()[:6])
    wanted = 0.5 * (0.5 * np.diag(variance[:6]) + 0.5 * deviations[:, :6].T @ deviations[:, :6] / 3)
    got = np.cov(np.stack(found).T)
    spread = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)) / draws)
    assert (np.abs(got - wanted) < 5 * spread * math.sqrt(2)).all()
    assert (np.abs(np.mean(found, 0) - mean[:6]) < 5 * np.sqrt(np.diag(wanted) / draws)).all()


def test_swag_of_scale_0_is_the_average_of_the_weights_alone() -> None:
    module, sampler = network(), SWAG(7, 4, 0.05, 3, 0.0, "probs")
    with seeded(3):
        held = sampler.collect(module, task(module, inputs()))
    assert len(probs_of(sampler, module, inputs(), inputs(), **held)) == 1
    torch.testing.assert_close(parameters_to_vector(module.parameters()).double(), held["mean"], rtol=1e-6, atol=1e-7)


def test_batch_norm_statistics_are_plain_averages_over_all_rows() -> None:
    module = network(nn.BatchNorm1d(8, momentum=0.1))
    x = inputs()
    norm = next(m for m in module.modules() if isinstance(m, nn.BatchNorm1d))
    estimate_batch_norm(module, x, batch_size=N)
    before = module.body[:2](x).detach()
    torch.testing.assert_close(norm.running_mean, before.mean(0))
    torch.testing.assert_close(norm.running_var, before.var(0))
    assert norm.momentum == 0.1
    assert not norm.training


def test_a_snapshot_cycle_falls_from_lr_to_0_by_half_a_cosine() -> None:
    sampler = Snapshot(3, 10, 0.2, "probs")
    assert sampler.step_size(0) == sampler.step_size(10) == 0.2
    assert sampler.step_size(5) == pytest.approx(0.1)
    assert sampler.step_size(9.999) < 1e-6
    assert all(sampler.step_size(t / 7) > sampler.step_size((t + 1) / 7) for t in range(60))


def test_snapshots_are_the_networks_at_the_ends_of_the_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    module, sampler = network(nn.BatchNorm1d(8)), Snapshot(3, 2, 0.1, "probs")
    seen = snapshots(sampler, module, inputs(), monkeypatch)
    found = []
    for view in sampler.variants(module, sampler.held, inputs()):
        assert view is as_it_is
        found.append(parameters_to_vector(module.parameters()).detach().double().numpy())
    np.testing.assert_array_equal(np.stack(found), np.stack(seen)[[1, 3, 5]])


@pytest.mark.parametrize("sampler", [SWAG(2, 3, 1e6, 2, 1.0, "probs"), Snapshot(1, 3, 1e6, "probs")])
def test_a_step_size_that_diverges_is_a_failed_run(sampler: Any) -> None:
    module = network()
    with pytest.raises(RunError, match="the loss is") as raised, seeded(0):
        sampler.collect(module, task(module, inputs() * 1e3))
    assert ".lr=" in raised.value.hint


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_a_batch_ensemble_layer_is_a_weight_matrix_for_each_member(kind: str) -> None:
    members = 3
    with seeded(0):
        plain: Any = nn.Linear(4, 6) if kind == "linear" else nn.Conv2d(4, 6, 3, padding=1)
        weight, bias = plain.weight.detach().clone(), plain.bias.detach().clone()
        layer = MemberLayer(plain, members)
        for factor in (layer.r, layer.s):
            assert set(factor.detach().unique().tolist()) <= {-1.0, 1.0}
            nn.init.normal_(factor)
        assert layer.bias is not None
        torch.testing.assert_close(layer.bias.detach(), bias.expand(members, -1))
        x = torch.randn(7, 4) if kind == "linear" else torch.randn(7, 4, 5, 5)
    outer = torch.einsum("mo,mi->moi", layer.s, layer.r).reshape(members, 6, 4, *[1] * (weight.ndim - 2))

    def member(m: int, rows: torch.Tensor) -> torch.Tensor:
        full = weight * outer[m]
        if kind == "linear":
            return nn.functional.linear(rows, full, bias)
        return nn.functional.conv2d(rows, full, bias, padding=1)

    dealt = layer(x)
    for row in range(len(x)):
        torch.testing.assert_close(dealt[row : row + 1], member(row % members, x[row : row + 1]), rtol=1e-4, atol=1e-5)
    layer.member = 2
    torch.testing.assert_close(layer(x), member(2, x), rtol=1e-4, atol=1e-5)


def test_batch_ensemble_converts_every_layer_once_and_its_members_differ() -> None:
    module, sampler = network(), BatchEnsemble(4, "probs")
    with seeded(0):
        sampler.convert(module)
    assert len(member_layers(module)) == 2
    assert isinstance(module.head, MemberLayer)
    found = probs_of(sampler, module, inputs(), inputs())
    assert len(found) == 4
    assert all(not torch.allclose(found[0], other) for other in found[1:])
    with pytest.raises(InputError, match="comes trained"):
        sampler.check(Network(nn.Flatten(), nn.Linear(2, 2), 2, pretrained=True), (2,))


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, 0), (-2, 1), (3, -3), (-1, -1)])
@pytest.mark.parametrize("shape", [(2, 5, 6), (2, 3, 5, 6)])
def test_a_shift_moves_pixels_and_fills_with_0(shape: tuple[int, ...], down: int, right: int) -> None:
    x = torch.arange(1.0, 1 + math.prod(shape)).reshape(shape)
    padded = np.pad(x.numpy(), [(0, 0)] * (len(shape) - 2) + [(3, 3), (3, 3)])
    wanted = padded[..., 3 - down : 3 - down + shape[-2], 3 - right : 3 - right + shape[-1]]
    np.testing.assert_array_equal(shifted(x, down, right).numpy(), wanted)


def test_the_first_view_is_the_image_and_others_stay_within_the_shift() -> None:
    x = torch.zeros(1, 9, 9)
    x[0, 4, 4] = 1
    module = Network(nn.Flatten(), nn.Linear(81, 2), 81)
    with seeded(0):
        views = [view(x) for view in TestTimeAugmentation(60, 2, False, "probs").variants(module, {}, x)]
    assert len(views) == 60
    assert torch.equal(views[0], x)
    where = {tuple(v[0].nonzero()[0].tolist()) for v in views}
    assert where <= {(a, b) for a in range(2, 7) for b in range(2, 7)}
    assert len(where) > 10
    lopsided = torch.zeros(1, 4, 4)
    lopsided[0, 0, 0] = 1
    mirrored = [v(lopsided) for v in TestTimeAugmentation(4, 0, True, "probs").variants(module, {}, lopsided)]
    assert [tuple(v[0].nonzero()[0].tolist()) for v in mirrored] == [(0, 0), (0, 3), (0, 0), (0, 3)]


def test_tta_refuses_what_is_no_image_and_views_that_are_all_the_same() -> None:
    with pytest.raises(InputError, match="views need images"):
        TestTimeAugmentation(4, 1, False, "probs").check(network(), (64,))
    with pytest.raises(InputError, match="leaves nothing"):
        TestTimeAugmentation(4, 8, False, "probs").check(network(), (8, 8))
    with pytest.raises(InputError, match="every view is the same"):
        TestTimeAugmentation(4, 0, False, "probs").check(network(), (8, 8))


def test_averages_are_the_mean_and_the_normalised_geometric_mean() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 5, 4)) * 4
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    parts = [Outputs(torch.from_numpy(z)) for z in logits]
    np.testing.assert_allclose(average(parts, "probs").probs().numpy(), p.mean(0), rtol=1e-12)
    geometric = np.exp(np.log(p).mean(0))
    wanted = geometric / geometric.sum(-1, keepdims=True)
    np.testing.assert_allclose(average(parts, "logits").probs().numpy(), wanted, rtol=1e-12)
    mixed = [parts[0], Outputs(torch.from_numpy(p[1]), from_probs=True)]
    np.testing.assert_allclose(DeepEnsemble(2, "probs").combine(mixed).probs().numpy(), p[:2].mean(0), rtol=1e-12)


def built(recipe: str, cache: StageCache | None = None, seed: int = 0, model: str = "mlp:hidden=8") -> Members:
    config = resolve(recipe, "digits", model, seed=seed, epochs=2)
    return Members(config, load_data(config), StageCache(None) if cache is None else cache, quiet)


def test_an_ensemble_is_the_mean_of_runs_of_its_members_seeds(tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    alone = built("ce", cache).run(("test",))["test"]
    together = built("ce+ensemble:members=3", cache).run(("test",))["test"]
    assert cache.misses == ["stage1"] * 3  # member 0 is the run without the ensemble
    assert cache.hits == ["stage1"]
    others = [built("ce", seed=member_seed(0, m)).run(("test",))["test"] for m in (1, 2)]
    wanted = torch.stack([o.probs() for o in (alone, *others)]).mean(0)
    torch.testing.assert_close(together.probs(), wanted, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("recipe", "model"),
    [
        ("ce+swag:epochs=2,samples=3,rank=2", "cnn:width=4"),
        ("ce+snapshot:cycles=2,epochs=1", "mlp:hidden=8"),
        ("ce+batch-ensemble:members=2", "cnn:width=4"),
        ("ce+mc-dropout:samples=3", "mlp:hidden=8,dropout=0.2"),
        ("ce+tta:views=3", "cnn:width=4"),
        ("tst:epochs=2+mc-dropout:samples=3", "mlp:hidden=8,dropout=0.2"),
        ("vtst:epochs=2,samples=2+swag:epochs=2,samples=2,rank=2+ensemble:members=2", "mlp:hidden=8"),
    ],
)
def test_a_sampled_run_is_the_same_from_a_cold_cache_a_warm_one_and_none(
    recipe: str, model: str, tmp_path: Path
) -> None:
    cache = StageCache(tmp_path)
    cold = built(recipe, cache, model=model).run(("cal", "test"))
    made = list(cache.misses)
    warm = built(recipe, cache, model=model).run(("cal", "test"))
    none = built(recipe, model=model).run(("cal", "test"))
    assert cache.misses == made  # nothing was trained again
    for name in ("cal", "test"):
        assert torch.equal(cold[name].scores, warm[name].scores)
        assert torch.equal(cold[name].scores, none[name].scores)
        cold[name].check(name)


def test_a_sampler_that_leaves_training_alone_shares_it(tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    built("ce", cache, model="mlp:hidden=8,dropout=0.2").run(("test",))
    built("ce+mc-dropout:samples=2", cache, model="mlp:hidden=8,dropout=0.2").run(("test",))
    assert cache.misses == ["stage1"]
    built("ce+batch-ensemble:members=2", cache, model="mlp:hidden=8,dropout=0.2").run(("test",))
    assert cache.misses == ["stage1", "stage1"]  # other layers, another training


def test_a_record_names_the_members_and_the_samples(tmp_path: Path) -> None:
    record = run(
        "swag:epochs=2,samples=3,rank=2+ensemble:members=2+temperature",
        "digits",
        "mlp:hidden=8",
        epochs=2,
        results=tmp_path,
        device="cpu",
    )
    told = [(entry["stage"], entry.get("member")) for entry in record.fitted]
    assert told == [("ce", 0), ("swag", 0), ("ce", 1), ("swag", 1), ("temperature", None)]
    assert record.fitted[1]["samples"] == 3
    assert record.recipe.endswith("+ensemble:members=2+temperature")


def test_members_of_a_network_that_is_given_would_all_be_the_same(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    file = tmp_path / "f.npz"
    np.savez(file, train_x=x, train_y=np.arange(200) % 2, head_weight=np.ones((2, 4)), head_bias=np.zeros(2))
    with pytest.raises(InputError, match="every member of 'ensemble' would be the same"):
        run("ensemble", f"npz:path={file}", "frozen", results=None)
    record = run("tst:epochs=1+ensemble:members=2", f"npz:path={file}", "frozen", results=None)
    assert [e.get("member") for e in record.fitted] == [0, 0, 1, 1]


@pytest.mark.parametrize("objective", ["elr", "adafocal", "co-teaching:rate=0.2"])
def test_a_sampler_that_trains_on_finds_the_objective_where_stage_1_left_it(objective: str, tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    built(objective, cache).run(("test",))  # stage 1 alone, in another run
    recipe = f"{objective}+swag:epochs=2,samples=2,rank=2"
    warm = built(recipe, cache).run(("test",))["test"]
    none = built(recipe).run(("test",))["test"]
    assert cache.hits == ["stage1"]
    assert torch.equal(warm.scores, none.scores)
