"""Runs that start from a checkpoint: which stages continue from it, what is cached, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from calibench import run

pytestmark = pytest.mark.usefixtures("one_thread")

CONTINUED = ("tst:epochs=2", "reinit:epochs=2", "mean-field:epochs=2")


@pytest.fixture(scope="module")
def stage_1(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small network trained by calibench: its record, the records of `CONTINUED`, and the file of weights in its cache."""
    results = tmp_path_factory.mktemp("trained")
    records = [
        run(recipe, "digits", "cnn:width=4", epochs=3, settings=["ce.lr=0.02"], results=results)
        for recipe in ("ce", *CONTINUED)
    ]
    (file,) = (results / "cache").glob("stage1-*.safetensors")
    return records, file


def model_of(file: Path, part: str = "tensor.network.") -> str:
    return f"cnn:width=4,checkpoint={file},checkpoint_part={part}"


def figures(record: Any) -> Any:
    return record.metrics, record.intervals


@pytest.mark.slow
def test_weights_from_our_own_cache_give_the_figures_of_the_trained_network(stage_1: Any, tmp_path: Path) -> None:
    (ce, *trained), file = stage_1
    again = run("ce", "digits", model_of(file), results=tmp_path)
    assert figures(again) == figures(ce)
    assert again.run_id != ce.run_id
    (entry,) = again.fitted
    assert (entry["trained"], len(entry["checkpoint_sha256"])) == (False, 64)
    for recipe, record in zip(CONTINUED, trained, strict=True):
        assert figures(run(recipe, "digits", model_of(file), results=tmp_path)) == figures(record)
    assert not list((tmp_path / "cache").glob("stage1-*"))


@pytest.mark.slow
def test_features_are_cached_once_for_all_seeds_recipes_and_noise(stage_1: Any, tmp_path: Path) -> None:
    for seed in range(2):
        for recipe in ("tst:epochs=1", "vtst:epochs=1"):
            run(recipe, "digits", model_of(stage_1[1]), seed=seed, results=tmp_path)
    run("tst:epochs=1", "digits", model_of(stage_1[1]), noise="symmetric:rate=0.2", results=tmp_path)
    assert len(list((tmp_path / "cache").glob("features-*.safetensors"))) == 1
    assert len(list((tmp_path / "cache").glob("stage2-*.safetensors"))) == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    ["reinit:epochs=20,lr=0.02", "swag:epochs=2", "tst:epochs=1,views=2", "tta", "tst:epochs=1+ensemble:members=2"],
)
def test_stages_that_need_a_body_have_one(recipe: str, stage_1: Any) -> None:
    record = run(recipe, "digits", model_of(stage_1[1]), results=None)
    assert record.metrics["accuracy"] > 0.2
    assert record.fitted[0]["trained"] is False


@pytest.mark.slow
def test_a_changed_file_is_another_run(stage_1: Any, tmp_path: Path) -> None:
    weights, file = load_file(stage_1[1]), tmp_path / "w.safetensors"
    save_file(weights, file)
    runs = [run("tst:epochs=1", "digits", model_of(file), results=tmp_path / "r") for _ in range(2)]
    assert runs[0] == runs[1]  # the stored record
    weights["tensor.network.head.weight"][0] += 1
    for name in weights:
        if name.endswith("body.2.weight"):
            weights[name] = weights[name].flip(0)
    save_file(weights, file)
    changed = run("tst:epochs=1", "digits", model_of(file), results=tmp_path / "r")
    assert changed.code != runs[0].code
    assert changed.metrics != runs[0].metrics
    for product in ("features", "stage2"):
        assert len(list((tmp_path / "r" / "cache").glob(f"{product}-*.safetensors"))) == 2


IDLE = {
    ("-m", "ce", "--epochs", "3"): "trains nothing in stage 1, so ce.epochs would do nothing",
    ("-m", "focal"): "objective 'focal' would do nothing",
    ("-m", "ce+ensemble"): "every member of 'ensemble' would be the same",
    ("-m", "batch-ensemble"): "its factors are learned in stage 1",
}


@pytest.mark.slow
@pytest.mark.parametrize("args", IDLE, ids=" ".join)
def test_settings_that_a_checkpoint_makes_idle_are_refused(args: tuple[str, ...], refused: Any, stage_1: Any) -> None:
    refused("run", *args, "-d", "digits", "--model", model_of(stage_1[1]), says=IDLE[args])


def test_mistakes_on_the_command_line(refused: Any, stage_1: Any) -> None:
    call = ("run", "-m", "ce", "-d", "digits", "--model")
    refused(*call, "cnn:checkpoint=absent.pt", says="there is no file 'absent.pt'")
    refused(*call, model_of(stage_1[1], "none."), says="no name begins with checkpoint_part=none.")
    refused(*call, model_of(stage_1[1]).replace("width=4", "width=5"), says="have another shape")
    refused(*call, "cnn:checkpoint_part=a", says="checkpoint_part would do nothing without a checkpoint")
    refused(*call, "cnn:checkpoint_rename=a=b", says="checkpoint_rename would do nothing without a checkpoint")
    refused(*call, "frozen:checkpoint=w", says="model 'frozen' has no parameter 'checkpoint'")
