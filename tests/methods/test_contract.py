"""One contract for every registered method, alone and in drawn compositions, from the command line's grammar."""

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
from calibench.config.from_words import resolve
from calibench.data.load import load_data
from calibench.outputs.outputs import Outputs
from calibench.plugins.discovery import registry
from calibench.plugins.params import REQUIRED
from calibench.plugins.specs import STAGE_ORDER, MethodSpec
from calibench.progress import quiet
from calibench.recipe.members import Members
from calibench.recipe.posthoc import PostHoc

pytestmark = pytest.mark.usefixtures("one_thread")

CHEAP = {"epochs": 2, "samples": 3, "members": 2, "cycles": 2, "folds": 2, "rank": 2, "views": 2, "batch_size": 32}
"""What these parameters are set to where a method has them: the contract needs few steps."""

LEARNING_RATE = 0.01
"""So that few steps train something: logits that say nothing have no temperature, which is refused."""

CONTRADICTIONS = ({"laplace", "batch-ensemble"},)
"""Pairs that are refused before anything is trained; each has a test of its own."""

K = 4
COMPOSITIONS = 60
KEEP_GOING = ("sampler", "ensemble", "refit")
"""Kinds without which a drawn composition may do."""


@cache
def specs() -> dict[str, MethodSpec]:
    found = {e.spec.name: e.spec for e in registry().all("method") if e.plugin.distribution == "calibench"}
    return {name: spec for name, spec in found.items() if isinstance(spec, MethodSpec)}


def needed(folder: Path) -> dict[str, str]:
    """Values of parameters that have no default, by `method.parameter`."""
    costs = folder / "costs.csv"
    np.savetxt(costs, 1 - np.eye(K), delimiter=",")
    return {"cost.matrix": str(costs)}


def text(spec: MethodSpec, given: dict[str, str]) -> str:
    """`name:key=value,...` with what the contract sets."""
    values: dict[str, Any] = {}
    for param in spec.params:
        if param.default is REQUIRED:
            values[param.key] = given[f"{spec.name}.{param.key}"]
        elif param.key == "lr" and spec.kind == "refit":
            values[param.key] = LEARNING_RATE
        elif param.key in CHEAP and param.type == "int" and param.default != CHEAP[param.key]:
            values[param.key] = CHEAP[param.key]
    if spec.name == "laplace":
        values.pop("samples")  # of prediction=mc alone
    inside = ",".join(
        f'{key}="{value}"' if isinstance(value, str) else f"{key}={value}" for key, value in values.items()
    )
    return f"{spec.name}:{inside}" if inside else spec.name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real task: the digits 0 to 3 as images, 720 rows."""
    at = tmp_path_factory.mktemp("contract")
    x, y = load_digits(n_class=K, return_X_y=True)
    np.savez(at / "digits.npz", train_x=x.reshape(-1, 8, 8).astype(np.float32), train_y=y)
    return at


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def go(recipe: str, folder: Path, cache: StageCache, seed: int = 0) -> tuple[Outputs, Any, list[dict[str, Any]]]:
    dataset, model = f"npz:path={folder / 'digits.npz'}", "mlp:hidden=16,dropout=0.1"
    first = resolve(recipe, dataset, model).objective.name
    config = resolve(recipe, dataset, model, seed=seed, epochs=4, settings=[f"{first}.lr={LEARNING_RATE}"])
    data = load_data(config)
    pipeline = Members(config, data, cache, quiet)
    chain = PostHoc(config.of_kind("calibrator") + config.of_kind("decision"), data.num_classes)
    outputs = pipeline.run(("cal", "test"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fitted = pipeline.fitted + chain.fit(outputs["cal"], torch.from_numpy(data.cal.y))
        final = chain.apply(outputs["test"])
        decided = chain.decide(final)
    return final, decided, fitted


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return bool(torch.equal(a, b))
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)
    return bool(a == b)


def hold_to_the_contract(recipe: str, folder: Path, where: Path) -> None:
    cache = StageCache(where)
    outputs, decided, fitted = go(recipe, folder, cache)
    probs = outputs.check(recipe).probs()
    assert probs.shape[1] == K
    assert bool(torch.isfinite(probs).all())
    assert bool((probs >= 0).all())
    torch.testing.assert_close(probs.sum(1), torch.ones(len(probs), dtype=torch.float64), rtol=0, atol=1e-3)
    assert json.loads(json.dumps(fitted, allow_nan=False)) == fitted  # goes into the record and comes back

    again = StageCache(where)
    outputs_2, decided_2, fitted_2 = go(recipe, folder, again)
    assert again.misses == []  # a run that was stopped goes on from what is there
    assert torch.equal(outputs.scores, outputs_2.scores)
    assert same(decided, decided_2)
    assert fitted == fitted_2


def all_names() -> list[str]:
    return sorted(specs())


@pytest.mark.parametrize("name", all_names())
def test_every_method_alone(name: str, folder: Path, cache_folder: Path) -> None:
    hold_to_the_contract(text(specs()[name], needed(folder)), folder, cache_folder)


def clash(names: set[str]) -> bool:
    return any(pair <= names for pair in CONTRADICTIONS)


def drawn() -> list[tuple[str, ...]]:
    """Compositions of at least three stages, in order, in which every method stands at least once."""
    rng = random.Random(20261122)
    by_kind = {kind: sorted(n for n, s in specs().items() if s.kind == kind) for kind in STAGE_ORDER}
    waiting = [name for kind in STAGE_ORDER for name in by_kind[kind]]
    rng.shuffle(waiting)
    found = []
    while waiting or len(found) < COMPOSITIONS:
        first = waiting.pop() if waiting else None
        chosen: list[str] = []
        for kind in STAGE_ORDER:
            if first is not None and specs()[first].kind == kind:
                chosen.append(first)
            elif kind not in KEEP_GOING or rng.random() < 0.3:
                chosen.append(rng.choice([n for n in by_kind[kind] if not clash({*chosen, n} | {first or n})]))
        waiting = [name for name in waiting if name not in chosen]
        found.append(tuple(chosen))
    return found


@pytest.mark.parametrize("names", drawn(), ids="+".join)
def test_drawn_compositions(names: tuple[str, ...], folder: Path, cache_folder: Path) -> None:
    recipe = "+".join(text(specs()[name], needed(folder)) for name in names)
    hold_to_the_contract(recipe, folder, cache_folder)


def test_the_draw_holds_every_method_and_enough_compositions() -> None:
    found = drawn()
    assert len(found) >= COMPOSITIONS
    assert {name for names in found for name in names} == set(specs())


@pytest.mark.parametrize("name", all_names())
def test_every_method_explains_itself(name: str) -> None:
    spec = specs()[name]
    assert spec.equation, "an equation in plain text"
    assert spec.paper or name in {"ce", "clipped-ce"}, "where it comes from"
    for param in spec.params:
        bounded = (
            param.minimum is not None
            or param.maximum is not None
            or param.choices
            or param.type in {"bool", "path", "str"}
        )
        assert bounded, f"{param.key} takes any number"
        assert (
            param.default is None
            or param.default is REQUIRED
            or not isinstance(param.default, float)
            or math.isfinite(param.default)
        )


@pytest.mark.parametrize("name", [n for n in all_names() if specs()[n].kind in {"objective", "refit"}])
def test_another_seed_trains_another_network(name: str, folder: Path, cache_folder: Path) -> None:
    recipe = text(specs()[name], needed(folder))
    one, _, _ = go(recipe, folder, StageCache(cache_folder), seed=0)
    other, _, _ = go(recipe, folder, StageCache(cache_folder), seed=1)
    assert not torch.equal(one.scores, other.scores)
