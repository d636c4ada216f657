"""One contract for every registered method, alone and in random compositions, written in the grammar of the command line."""

from __future__ import annotations

import json
import math
import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from calibench.cache.stage_cache import StageCache
from calibench.config.resolve import resolve
from calibench.plugins.discovery import registry
from calibench.plugins.params import REQUIRED, Param
from calibench.plugins.specs import STAGE_ORDER, MethodSpec
from calibench.testing.recipe_run import LEARNING_RATE, StagesRun, run_stages, same_run, small_value

CONVERTED = ("batch-ensemble", "masksembles")
"""Samplers that convert the last layer."""

CONTRADICTIONS = tuple({refit, sampler} for refit in ("laplace", "feature-clipping") for sampler in CONVERTED)
"""Pairs that are refused before anything is trained; each has a test of its own. So is `packed` with any head refit."""

K = 4
COMPOSITIONS = 100
OPTIONAL_KINDS = ("sampler", "ensemble", "refit")
"""Kinds that a random composition leaves out more often than not."""


@cache
def specs() -> dict[str, MethodSpec]:
    """The methods that calibench itself registers, by name."""
    by_name = {
        entry.spec.name: entry.spec for entry in registry().all("method") if entry.plugin.distribution == "calibench"
    }
    return {name: spec for name, spec in by_name.items() if isinstance(spec, MethodSpec)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real dataset, the digits 0 to 3 as 720 images, and a cost matrix."""
    at = tmp_path_factory.mktemp("contract")
    x, y = load_digits(n_class=K, return_X_y=True)
    np.savez(at / "digits.npz", train_x=x.reshape(-1, 8, 8).astype(np.float32), train_y=y)
    np.savetxt(at / "costs.csv", 1 - np.eye(K), delimiter=",")
    return at


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def setting(spec: MethodSpec, param: Param, folder: Path) -> str | int | float | None:
    """The value that the contract gives a parameter; None for its default."""
    if param.default is REQUIRED:
        assert (spec.name, param.key) == ("cost", "matrix"), "a required parameter needs a value here"
        return f'"{folder / "costs.csv"}"'
    if (spec.name, param.key) == ("laplace", "samples"):  # for prediction=mc only
        return None
    return small_value(spec, param)


def text(name: str, folder: Path) -> str:
    """`name:key=value,...` with the contract's settings."""
    spec = specs()[name]
    values = {param.key: setting(spec, param, folder) for param in spec.params}
    settings = ",".join(f"{key}={value}" for key, value in values.items() if value is not None)
    return f"{name}:{settings}" if settings else name


def run_recipe(recipe: str, folder: Path, cache: StageCache, seed: int = 0) -> StagesRun:
    """The stages of a recipe on the digits 0 to 3."""
    dataset, model = f"npz:path={folder / 'digits.npz'}", "mlp:hidden=16,dropout=0.1"
    objective = resolve(recipe, dataset, model).objective.name
    config = resolve(recipe, dataset, model, seed=seed, epochs=4, settings=[f"{objective}.lr={LEARNING_RATE}"])
    return run_stages(config, cache, drawn=0)


def check_contract(recipe: str, folder: Path, cache_folder: Path) -> None:
    run = run_recipe(recipe, folder, StageCache(cache_folder))
    probs = run.test.check(recipe).probs()
    assert probs.shape[1] == K
    assert bool(torch.isfinite(probs).all())
    assert bool((probs >= 0).all())
    torch.testing.assert_close(probs.sum(1), torch.ones(len(probs), dtype=torch.float64), rtol=0, atol=1e-3)
    assert json.loads(json.dumps(run.fitted, allow_nan=False)) == run.fitted  # a record can hold it

    warm = StageCache(cache_folder)
    again = run_recipe(recipe, folder, warm)
    assert warm.misses == []  # a run that was stopped continues from the cache
    assert same_run(run, again)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(specs()))
def test_every_method_alone(name: str, folder: Path, cache_folder: Path) -> None:
    check_contract(text(name, folder), folder, cache_folder)


def clash(names: set[str]) -> bool:
    refits = {name for name in names if name in specs() and specs()[name].kind == "refit"}
    return any(pair <= names for pair in CONTRADICTIONS) or ("packed" in names and bool(refits))


def composition(first: str, rng: random.Random) -> tuple[str, ...]:
    """Methods in the order of their kinds: `first`, and random methods of the other kinds."""
    chosen: list[str] = []
    for kind in STAGE_ORDER:
        if specs()[first].kind == kind:
            chosen.append(first)
        elif kind not in OPTIONAL_KINDS or rng.random() < 0.3:
            names = sorted(name for name, spec in specs().items() if spec.kind == kind)
            names = [name for name in names if not clash({*chosen, name, first})]
            chosen += [rng.choice(names)] if names else []
    return tuple(chosen)


def compositions() -> list[tuple[str, ...]]:
    """At least 100 random compositions of three methods or more; every method is in one of them."""
    rng = random.Random(20261122)
    names = sorted(specs())
    waiting = rng.sample(names, len(names))
    drawn = []
    while waiting or len(drawn) < COMPOSITIONS:
        drawn.append(composition(waiting.pop() if waiting else rng.choice(names), rng))
        waiting = [name for name in waiting if name not in drawn[-1]]
    return drawn


@pytest.mark.slow
@pytest.mark.parametrize("names", compositions(), ids="+".join)
def test_random_compositions(names: tuple[str, ...], folder: Path, cache_folder: Path) -> None:
    check_contract("+".join(text(name, folder) for name in names), folder, cache_folder)


def test_compositions_are_many_and_have_every_method() -> None:
    drawn = compositions()
    assert len(drawn) >= COMPOSITIONS
    assert all(len(names) >= 3 for names in drawn)
    assert {name for names in drawn for name in names} == set(specs())


@pytest.mark.parametrize("name", sorted(specs()))
def test_every_method_is_described_and_its_parameters_are_bounded(name: str) -> None:
    spec = specs()[name]
    assert spec.equation
    assert spec.paper, "name the paper, or 'own definition' if it has none"
    for param in spec.params:
        has_bounds = param.minimum is not None or param.maximum is not None or bool(param.choices)
        assert has_bounds or param.type in {"bool", "path", "str"}, param.key
        assert not isinstance(param.default, float) or math.isfinite(param.default), param.key


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in sorted(specs()) if specs()[name].kind in {"objective", "refit"}])
def test_another_seed_trains_another_network(name: str, folder: Path, cache_folder: Path) -> None:
    recipe = text(name, folder)
    first, other = (run_recipe(recipe, folder, StageCache(cache_folder), seed=seed) for seed in (0, 1))
    assert not torch.equal(first.test.scores, other.test.scores)
