"""Samplers and ensembles in a recipe: averages, the cache, the record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pipeline_cases import members

from calibench import InputError, Outputs, run
from calibench.cache.stage_cache import StageCache
from calibench.outputs.outputs import average
from calibench.seeds import member_seed
from calibench_methods.ensembles.ensemble import DeepEnsemble


def test_averages_are_the_mean_and_the_normalised_geometric_mean() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 5, 4)) * 4
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    parts = [Outputs(torch.from_numpy(z)) for z in logits]
    np.testing.assert_allclose(average(parts, "probs").probs().numpy(), p.mean(0), rtol=1e-12)
    geometric = np.exp(np.log(p).mean(0))
    expected = geometric / geometric.sum(-1, keepdims=True)
    np.testing.assert_allclose(average(parts, "logits").probs().numpy(), expected, rtol=1e-12)
    mixed = [parts[0], Outputs(torch.from_numpy(p[1]), from_probs=True)]
    np.testing.assert_allclose(DeepEnsemble(2, "probs").combine(mixed).probs().numpy(), p[:2].mean(0), rtol=1e-12)


def test_an_ensemble_is_the_mean_of_runs_with_its_members_seeds(tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    single = members("ce", cache=cache).run(("test",))["test"]
    ensemble = members("ce+ensemble:members=3", cache=cache).run(("test",))["test"]
    assert cache.misses == ["stage1"] * 3  # member 0 is the run without the ensemble
    assert cache.hits == ["stage1"]
    others = [members("ce", seed=member_seed(0, m)).run(("test",))["test"] for m in (1, 2)]
    expected = torch.stack([outputs.probs() for outputs in (single, *others)]).mean(0)
    torch.testing.assert_close(ensemble.probs(), expected, rtol=1e-12, atol=0)


@pytest.mark.slow
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
def test_outputs_are_the_same_from_a_cold_cache_a_warm_one_and_none(
    recipe: str, model: str, images: str, tmp_path: Path
) -> None:
    cache = StageCache(tmp_path)
    cold = members(recipe, images, model, cache).run(("cal", "test"))
    trained = list(cache.misses)
    warm = members(recipe, images, model, cache).run(("cal", "test"))
    uncached = members(recipe, images, model).run(("cal", "test"))
    assert cache.misses == trained  # nothing was trained again
    for name in ("cal", "test"):
        assert torch.equal(cold[name].scores, warm[name].scores)
        assert torch.equal(cold[name].scores, uncached[name].scores)
        cold[name].check(name)


def test_a_sampler_shares_stage_1_unless_it_converts_layers(tmp_path: Path) -> None:
    cache, model = StageCache(tmp_path), "mlp:hidden=8,dropout=0.2"
    members("ce", model=model, cache=cache).run(("test",))
    members("ce+mc-dropout:samples=2", model=model, cache=cache).run(("test",))
    assert cache.misses == ["stage1"]
    members("ce+batch-ensemble:members=2", model=model, cache=cache).run(("test",))
    assert cache.misses == ["stage1", "stage1"]


def test_a_record_names_members_and_samples(tmp_path: Path) -> None:
    record = run(
        "swag:epochs=2,samples=3,rank=2+ensemble:members=2+temperature",
        "digits",
        "mlp:hidden=8",
        epochs=2,
        results=tmp_path,
        device="cpu",
    )
    stages = [(entry["stage"], entry.get("member")) for entry in record.fitted]
    assert stages == [("ce", 0), ("swag", 0), ("ce", 1), ("swag", 1), ("temperature", None)]
    assert record.fitted[1]["samples"] == 3
    assert record.recipe.endswith("+ensemble:members=2+temperature")


def test_an_ensemble_of_equal_members_is_refused(tmp_path: Path) -> None:
    """Members of a pretrained network are equal unless a head refit trains them."""
    x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    file = tmp_path / "f.npz"
    np.savez(file, train_x=x, train_y=np.arange(200) % 2, head_weight=np.ones((2, 4)), head_bias=np.zeros(2))
    with pytest.raises(InputError, match="every member of 'ensemble' would be the same"):
        run("ensemble", f"npz:path={file}", "frozen", results=None)
    record = run("tst:epochs=1+ensemble:members=2", f"npz:path={file}", "frozen", results=None)
    assert [entry.get("member") for entry in record.fitted] == [0, 0, 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["elr", "adafocal", "co-teaching:rate=0.2"])
def test_a_sampler_continues_with_the_objectives_state_from_stage_1(objective: str, tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    members(objective, cache=cache).run(("test",))  # stage 1 alone, in another run
    recipe = f"{objective}+swag:epochs=2,samples=2,rank=2"
    warm = members(recipe, cache=cache).run(("test",))["test"]
    uncached = members(recipe).run(("test",))["test"]
    assert cache.hits == ["stage1"]
    assert torch.equal(warm.scores, uncached.scores)
