"""Which stages are trained: each once for all recipes that share it, and again if anything that decides it changes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from short_runs import Trainings, figures, short_run

from calibench.cache import code

OWN_OBJECTIVE = """
import calibench
from calibench.lazy import functional

@calibench.hookimpl
def calibench_methods():
    return [calibench.MethodSpec(name="own-ce", kind="objective", target=f"{__name__}:OwnCE", summary="A test.")]

class OwnCE(calibench.Objective):
    def loss(self, logits, batch):
        return functional.cross_entropy(logits, batch.y)
"""

OWN_REFIT = """
import calibench
from calibench_methods.refits import tst

@calibench.hookimpl
def calibench_methods():
    params = tst.SPEC.params
    return [calibench.MethodSpec(name="own-tst", kind="refit", target=f"{__name__}:OwnTST", summary="A test.", params=params)]

class OwnTST(tst.TST):
    pass
"""


@pytest.mark.slow
def test_stage_1_is_trained_once_for_all_recipes_of_a_seed(blobs: str, tmp_path: Path, trainings: Trainings) -> None:
    recipes = ["ce", "ce+temperature", "tst", "vtst", "tst+temperature", "vtst+threshold:value=0.6", "ce+threshold"]
    records = {recipe: short_run(recipe, blobs, tmp_path, report=trainings) for recipe in recipes}
    assert trainings == ["stage 1, ce", "stage 2, TST", "stage 2, V-TST"]
    assert {recipe: record.cache for recipe, record in records.items()} == {
        "ce": {"hits": [], "made": ["stage1"]},
        "ce+temperature": {"hits": ["stage1"], "made": []},
        "tst": {"hits": ["stage1"], "made": ["features", "stage2"]},
        "vtst": {"hits": ["stage1", "features"], "made": ["stage2"]},
        "tst+temperature": {"hits": ["stage1", "features", "stage2"], "made": []},
        "vtst+threshold:value=0.6": {"hits": ["stage1", "features", "stage2"], "made": []},
        "ce+threshold": {"hits": ["stage1"], "made": []},
    }


@pytest.mark.slow
def test_samplers_and_calibrators_share_it_too(blobs: str, tmp_path: Path, trainings: Trainings) -> None:
    recipes = (
        "ce",
        "ce+vector+threshold:value=0.6",
        "ce+isotonic+conformal",
        "tst+ets",
        "vtst+temperature+threshold:target_coverage=0.9",
        "mean-field:epochs=2",
        "swag:epochs=2,samples=2,rank=2+beta",
    )
    records = [short_run(recipe, blobs, tmp_path, report=trainings) for recipe in recipes]
    assert trainings.count("stage 1, ce") == 1
    assert [record.cache["made"].count("stage1") for record in records] == [1] + [0] * 6
    assert len({record.run_id for record in records}) == len(recipes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"model": "mlp:hidden=9"},
        {"noise": "symmetric:rate=0.2"},
        {"epochs": 3},
        {"select": "last"},
        {"settings": ["ce.lr=0.01"]},
        {"settings": ["npz.split_seed=1"]},
    ],
    ids=str,
)
def test_stage_1_is_trained_again_if_anything_that_decides_it_changes(
    change: dict[str, Any], blobs: str, tmp_path: Path, trainings: Trainings
) -> None:
    before = short_run("ce", blobs, tmp_path, report=trainings)
    after = short_run("ce", blobs, tmp_path, report=trainings, **change)
    assert trainings == ["stage 1, ce"] * 2
    assert before.run_id != after.run_id
    assert figures(before) != figures(after) or change == {"select": "last"}


@pytest.mark.slow
def test_changes_of_stage_2_alone_leave_stage_1(blobs: str, tmp_path: Path, trainings: Trainings) -> None:
    for recipe in ("tst", "tst:latent_dim=8", "tst:lr=0.01", "tst:head=linear", "vtst", "vtst:kl_weight=1"):
        short_run(recipe, blobs, tmp_path, report=trainings)
    assert Counter(trainings) == {"stage 1, ce": 1, "stage 2, TST": 4, "stage 2, V-TST": 2}


@pytest.mark.slow
def test_edited_code_of_a_plugin_trains_its_stage_again(
    install_plugin: Any, blobs: str, tmp_path: Path, trainings: Trainings
) -> None:
    files = {
        "objective": install_plugin("own_objective", OWN_OBJECTIVE),
        "refit": install_plugin("own_refit", OWN_REFIT),
    }

    def own_run() -> dict[str, list[str]]:
        return short_run("own-ce+own-tst:epochs=2", blobs, tmp_path, report=trainings).cache

    def edit(kind: str) -> None:
        with files[kind].open("a") as source:
            source.write("# edited\n")
        code._sources.cache_clear()  # as in another process: this one has imported the old code

    assert own_run()["made"] == ["stage1", "features", "stage2"]
    own_run()
    assert len(trainings) == 2, "the second run is there already"
    edit("refit")
    assert own_run() == {"hits": ["stage1", "features"], "made": ["stage2"]}
    assert trainings == ["stage 1, own-ce", "stage 2, TST", "stage 2, TST"]
    edit("objective")
    assert own_run() == {"hits": [], "made": ["stage1", "features", "stage2"]}
    assert trainings[3:] == ["stage 1, own-ce", "stage 2, TST"]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["forward", "backward"])
def test_a_changed_file_that_an_objective_reads_is_another_run(recipe: str, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    x = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    np.savez(tmp_path / "d.npz", train_x=x, train_y=np.arange(300) % 3)
    dataset, text = f"npz:path={tmp_path / 'd.npz'}", f'{recipe}:matrix="{file}"'
    np.savetxt(file, np.eye(3) * 0.7 + 0.1, delimiter=",")
    before = short_run(text, dataset, tmp_path / "r")
    np.savetxt(file, np.eye(3) * 0.4 + 0.2, delimiter=",")
    after = short_run(text, dataset, tmp_path / "r")
    assert after.cache["made"] == ["stage1"]
    assert after.metrics["nll"] != before.metrics["nll"]
    assert short_run(text, dataset, tmp_path / "r").metrics == after.metrics


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["focal+vtst", "label-smoothing+tst", "mixup+vtst+temperature"])
def test_an_objective_and_a_head_refit_compose(recipe: str, blobs: str, tmp_path: Path, trainings: Trainings) -> None:
    record = short_run(recipe, blobs, tmp_path, report=trainings)
    objective = recipe.partition("+")[0]
    assert [entry["stage"] for entry in record.fitted] == recipe.split("+")
    assert trainings[0] == f"stage 1, {objective}"
    assert len(trainings) == 2
    assert figures(record) != figures(short_run(recipe.replace(objective, "ce"), blobs, tmp_path))
