"""One contract for every registered method, alone and in random compositions, written in the grammar of the command line."""

from __future__ import annotations

import json
import math
import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from calibench.cache.stage_cache import StageCache
from calibench.config.resolve import resolve
from calibench.data.load import load_data
from calibench.outputs.outputs import Outputs
from calibench.plugins.discovery import registry
from calibench.plugins.params import REQUIRED, Param
from calibench.plugins.specs import STAGE_ORDER, MethodSpec
from calibench.progress import quiet
from calibench.recipe.members import Members
from calibench.recipe.posthoc import PostHoc

SMALL = {
    "epochs": 2,
    "samples": 3,
    "members": 2,
    "cycles": 2,
    "folds": 2,
    "rank": 2,
    "views": 2,
    "batch_size": 32,
    "random_features": 16,
}
"""Values of whole-number parameters for which the contract needs few steps."""

LEARNING_RATE = 0.01
"""Large enough that a few steps train something: logits without information have no temperature, which is refused."""

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
    if param.key == "lr" and spec.kind == "refit":
        return LEARNING_RATE
    if (spec.name, param.key) == ("laplace", "samples"):  # for prediction=mc only
        return None
    small = SMALL.get(param.key) if param.type == "int" else None
    return None if small == param.default else small


def text(name: str, folder: Path) -> str:
    """`name:key=value,...` with the contract's settings."""
    spec = specs()[name]
    values = {param.key: setting(spec, param, folder) for param in spec.params}
    settings = ",".join(f"{key}={value}" for key, value in values.items() if value is not None)
    return f"{name}:{settings}" if settings else name


def run_recipe(
    recipe: str, folder: Path, cache: StageCache, seed: int = 0
) -> tuple[Outputs, Any, list[dict[str, Any]]]:
    """The test outputs after calibration, the decisions, and the record's `fitted`."""
    dataset, model = f"npz:path={folder / 'digits.npz'}", "mlp:hidden=16,dropout=0.1"
    objective = resolve(recipe, dataset, model).objective.name
    config = resolve(recipe, dataset, model, seed=seed, epochs=4, settings=[f"{objective}.lr={LEARNING_RATE}"])
    data = load_data(config)
    pipeline = Members(config, data, cache, quiet)
    chain = PostHoc(config.of_kind("calibrator") + config.of_kind("decision"), data.num_classes)
    outputs = pipeline.run(("cal", "test"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fitted = pipeline.fitted + chain.fit(outputs["cal"], torch.from_numpy(data.cal.y))
        calibrated = chain.apply(outputs["test"])
        decisions = chain.decide(calibrated)
    return calibrated, decisions, fitted


def same(a: Any, b: Any) -> bool:
    """True if two decisions, or two of their fields, are equal."""
    if isinstance(a, torch.Tensor):
        return bool(torch.equal(a, b))
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)
    return bool(a == b)


def check_contract(recipe: str, folder: Path, cache_folder: Path) -> None:
    outputs, decisions, fitted = run_recipe(recipe, folder, StageCache(cache_folder))
    probs = outputs.check(recipe).probs()
    assert probs.shape[1] == K
    assert bool(torch.isfinite(probs).all())
    assert bool((probs >= 0).all())
    torch.testing.assert_close(probs.sum(1), torch.ones(len(probs), dtype=torch.float64), rtol=0, atol=1e-3)
    assert json.loads(json.dumps(fitted, allow_nan=False)) == fitted  # a record can hold it

    warm = StageCache(cache_folder)
    again = run_recipe(recipe, folder, warm)
    assert warm.misses == []  # a run that was stopped continues from the cache
    assert torch.equal(outputs.scores, again[0].scores)
    assert same(decisions, again[1])
    assert fitted == again[2]


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
    first_seed, _, _ = run_recipe(recipe, folder, StageCache(cache_folder), seed=0)
    other_seed, _, _ = run_recipe(recipe, folder, StageCache(cache_folder), seed=1)
    assert not torch.equal(first_seed.scores, other_seed.scores)
