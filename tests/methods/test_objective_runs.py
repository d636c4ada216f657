"""Objectives from a user's side: refused parameters, descriptions, a seeded training by the pipeline."""

from __future__ import annotations

import math

import pytest
from objective_cases import blobs, build

import calibench
from calibench import InputError, MethodSpec, specs_in

OBJECTIVES = specs_in("calibench_methods.objectives", MethodSpec)
WITH_A_RATE = {"noise-ce", "forward", "backward", "co-teaching"}
RECIPES = [
    f"{spec.name}:rate=0.2" if spec.name in WITH_A_RATE else spec.name
    for spec in OBJECTIVES
    if spec.name not in {"cleanlab", "bce"}  # which have their own tests
]


@pytest.mark.parametrize(
    ("recipe", "k", "message"),
    [
        ("clipped-ce:cap=2.3", 10, "never start to learn"),
        ("clipped-ce:cap=0.6", 2, "log K"),
        ("noise-ce:rate=0.75", 4, "0.75"),
        ("noise-ce:rate=half", 4, "half"),
        ("noise-ce:rate=nan", 4, "nan"),
        ("noise-ce:rate=-0.1", 4, "-0.1"),
        ("noise-ce:rate=0.3,folds=3", 4, "folds=3 would do nothing"),
        ("co-teaching:rate=0.9", 4, "chance"),
        ("forward:rate=0.5", 2, "chance"),
        ("forward:rate=0.5,folds=3", 4, "folds=3 would do nothing"),
        ("backward:rate=0.3,estimate=counts", 4, "rate and estimate"),
        ("adafocal:switch=3", 4, "switch=3"),
        ("gce:q=1.1", 4, "q=1.1"),
    ],
)
def test_impossible_parameters_are_refused_with_a_reason(recipe: str, k: int, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        build(recipe, k=k)
    assert caught.value.hint


def test_a_cap_just_above_log_k_is_accepted() -> None:
    assert build(f"clipped-ce:cap={math.log(10) + 1e-6}", k=10)


@pytest.mark.parametrize("spec", OBJECTIVES, ids=lambda spec: spec.name)
def test_every_objective_is_described(spec: MethodSpec) -> None:
    assert spec.equation.startswith(("loss", "t <-", "x'", "each network"))
    assert spec.paper or spec.name in {"ce", "clipped-ce", "bce"}
    assert all(param.meaning for param in spec.params)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    return blobs(tmp_path_factory.mktemp("objectives"), 300)


def trained(recipe: str, dataset: str, epochs: int) -> dict[str, float | None]:
    """The metrics of a run on labels of which a fifth are wrong."""
    record = calibench.run(
        recipe, dataset, "mlp:hidden=16", 0, "symmetric:rate=0.2", epochs=epochs, select="last", results=None,
        settings=[f"{recipe.partition(':')[0]}.lr=0.01"], device="cpu",
    )  # fmt: skip
    return record.metrics


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_training_learns(recipe: str, dataset: str) -> None:
    accuracy = trained(recipe, dataset, epochs=12)["accuracy"]
    assert accuracy is not None
    assert accuracy > 0.85


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_training_is_seeded(recipe: str, dataset: str) -> None:
    first, second = (trained(recipe, dataset, epochs=2) for _ in range(2))
    assert first["accuracy"] == second["accuracy"]
    assert first["nll"] == second["nll"]
