"""Runs that begin with a checkpoint: what goes on from it, what is kept, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from calibench import run

pytestmark = pytest.mark.usefixtures("one_thread")

GO_ON = ("tst:epochs=2", "reinit:epochs=2", "mean-field:epochs=2")


@pytest.fixture(scope="module")
def stage_1(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A small network trained by calibench: its record, those of `GO_ON`, and the file of weights in its cache."""
    results = tmp_path_factory.mktemp("trained")
    records = [
        run(recipe, "digits", "cnn:width=4", epochs=3, settings=["ce.lr=0.02"], results=results)
        for recipe in ("ce", *GO_ON)
    ]
    (file,) = (results / "cache").glob("stage1-*.safetensors")
    return records, file


def model_of(file: Path, part: str = "tensor.network.") -> str:
    return f"cnn:width=4,checkpoint={file},checkpoint_part={part}"


def figures(record: Any) -> Any:
    return record.metrics, record.intervals


def test_stage_1_from_our_own_cache_goes_on_as_if_it_had_been_trained(stage_1: Any, tmp_path: Path) -> None:
    (ce, *trained), file = stage_1
    again = run("ce", "digits", model_of(file), results=tmp_path)
    assert figures(again) == figures(ce)
    assert again.run_id != ce.run_id
    (entry,) = again.fitted
    assert (entry["trained"], len(entry["checkpoint_sha256"])) == (False, 64)
    for recipe, record in zip(GO_ON, trained, strict=True):
        assert figures(run(recipe, "digits", model_of(file), results=tmp_path)) == figures(record)
    assert not list((tmp_path / "cache").glob("stage1-*"))


def test_features_are_written_once_for_all_seeds_recipes_and_noise(stage_1: Any, tmp_path: Path) -> None:
    for seed in range(2):
        for recipe in ("tst:epochs=1", "vtst:epochs=1"):
            run(recipe, "digits", model_of(stage_1[1]), seed=seed, results=tmp_path)
    run("tst:epochs=1", "digits", model_of(stage_1[1]), noise="symmetric:rate=0.2", results=tmp_path)
    assert len(list((tmp_path / "cache").glob("features-*.safetensors"))) == 1
    assert len(list((tmp_path / "cache").glob("stage2-*.safetensors"))) == 5


@pytest.mark.parametrize(
    "recipe",
    ["reinit:epochs=20,lr=0.02", "swag:epochs=2", "tst:epochs=1,views=2", "tta", "tst:epochs=1+ensemble:members=2"],
)
def test_what_needs_a_body_has_one(recipe: str, stage_1: Any) -> None:
    record = run(recipe, "digits", model_of(stage_1[1]), results=None)
    assert record.metrics["accuracy"] > 0.2
    assert record.fitted[0]["trained"] is False


def test_a_changed_file_is_another_run(stage_1: Any, tmp_path: Path) -> None:
    held, file = load_file(stage_1[1]), tmp_path / "w.safetensors"
    save_file(held, file)
    runs = [run("tst:epochs=1", "digits", model_of(file), results=tmp_path / "r") for _ in range(2)]
    assert runs[0] == runs[1]  # the record that was there
    held["tensor.network.head.weight"][0] += 1
    for name in held:
        if name.endswith("body.2.weight"):
            held[name] = held[name].flip(0)
    save_file(held, file)
    other = run("tst:epochs=1", "digits", model_of(file), results=tmp_path / "r")
    assert other.code != runs[0].code
    assert other.metrics != runs[0].metrics
    for product in ("features", "stage2"):
        assert len(list((tmp_path / "r" / "cache").glob(f"{product}-*.safetensors"))) == 2


RUNS = {
    ("-m", "ce", "--epochs", "3"): "trains nothing in stage 1, so ce.epochs would do nothing",
    ("-m", "focal"): "objective 'focal' would do nothing",
    ("-m", "ce+ensemble"): "every member of 'ensemble' would be the same",
    ("-m", "batch-ensemble"): "its factors are learned in stage 1",
}


@pytest.mark.parametrize("args", RUNS, ids=" ".join)
def test_what_a_checkpoint_leaves_nothing_to_do_is_refused(args: tuple[str, ...], refused: Any, stage_1: Any) -> None:
    refused("run", *args, "-d", "digits", "--model", model_of(stage_1[1]), says=RUNS[args])


def test_mistakes_on_the_command_line(refused: Any, stage_1: Any) -> None:
    call = ("run", "-m", "ce", "-d", "digits", "--model")
    refused(*call, "cnn:checkpoint=absent.pt", says="there is no file 'absent.pt'")
    refused(*call, model_of(stage_1[1], "none."), says="no name begins with checkpoint_part=none.")
    refused(*call, model_of(stage_1[1]).replace("width=4", "width=5"), says="have another shape")
    refused(*call, "cnn:checkpoint_part=a", says="checkpoint_part would do nothing without a checkpoint")
    refused(*call, "cnn:checkpoint_rename=a=b", says="checkpoint_rename would do nothing without a checkpoint")
    refused(*call, "frozen:checkpoint=w", says="model 'frozen' has no parameter 'checkpoint'")
