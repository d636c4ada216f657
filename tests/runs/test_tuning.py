"""The search on val: test is not seen, one seed gives one choice, a killed search goes on, scores by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from short_runs import Trainings

import calibench
from calibench import InputError, RunError
from calibench.config.resolve import resolve
from calibench.progress import Report, quiet
from calibench.records.store import read_records
from calibench.runs.options import RunOptions
from calibench.runs.run import run_config
from calibench.runs.tuning.search import Tuning, tuned

SPACE = "lr=log(1e-3,1e-1), epsilon=0..0.5"


def write_splits(path: Path, *, poison: bool = False) -> str:
    """Blobs with four splits of their own; with `poison` test has other labels and other rows."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for name, n in (("train", 90), ("val", 60), ("cal", 40), ("test", 50)):
        y = np.arange(n) % 3
        arrays |= {f"{name}_y": y, f"{name}_x": (rng.normal(size=(n, 4)) + 1.2 * np.eye(4)[y]).astype(np.float32)}
    if poison:
        arrays["test_y"] = (arrays["test_y"] + 1) % 3
        arrays["test_x"] = arrays["test_x"][::-1] * 5 + 1
    np.savez(path, **arrays)
    return f"npz:path={path}"


EPOCHS = 12


def search(
    dataset: str, results: Path | None, recipe: str = "label-smoothing", report: Report | None = None, **options: Any
) -> Any:
    """The configuration that a search of five trials chose."""
    tuning = Tuning(**({"space": SPACE, "trials": 5} | options))
    config = resolve(recipe, dataset, "mlp:hidden=8", epochs=EPOCHS)
    return tuned(config, tuning, RunOptions(results), report or quiet)


def log_of(results: Path) -> dict[str, Any]:
    (path,) = (results / "tuning").glob("*.json")
    document: dict[str, Any] = json.loads(path.read_text())
    return document


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_splits(tmp_path_factory.mktemp("splits") / "data.npz")


@pytest.mark.parametrize("recipe", ["label-smoothing", "label-smoothing+temperature", "label-smoothing+tst:epochs=2"])
def test_another_test_split_changes_no_score_and_no_choice(dataset: str, tmp_path: Path, recipe: str) -> None:
    poisoned = write_splits(tmp_path / "poisoned.npz", poison=True)
    options = {"recipe": recipe, "trials": 3, "space": "epsilon=0..0.5"}
    mine, theirs = search(dataset, tmp_path / "a", **options), search(poisoned, tmp_path / "b", **options)
    assert log_of(tmp_path / "a")["trials"] == log_of(tmp_path / "b")["trials"]
    assert len({trial["score"] for trial in log_of(tmp_path / "a")["trials"]}) == 3
    assert mine.recipe == theirs.recipe
    assert mine.tuned["val_score"] == theirs.tuned["val_score"]


def test_the_score_is_that_of_val_and_the_best_is_chosen(dataset: str, tmp_path: Path) -> None:
    config = search(dataset, tmp_path, recipe="label-smoothing+temperature")
    record, _ = run_config(config, RunOptions(tmp_path))
    arrays = np.load(dataset.partition("=")[2])
    probs = calibench.load_run(record.run_id, results=tmp_path).predict(arrays["val_x"]).probs
    brier = ((probs - np.eye(3)[arrays["val_y"]]) ** 2).sum(axis=1).mean()
    assert record.tuned is not None
    assert record.tuned["val_score"] == pytest.approx(brier, rel=1e-6)
    scores = [trial["score"] for trial in log_of(tmp_path)["trials"]]
    assert record.tuned["val_score"] == min(scores)
    assert record.tuned["trial"] == 1 + scores.index(min(scores))
    given, _ = run_config(
        resolve("label-smoothing+temperature", dataset, "mlp:hidden=8", epochs=EPOCHS), RunOptions(tmp_path)
    )
    probs = calibench.load_run(given.run_id, results=tmp_path).predict(arrays["val_x"]).probs
    brier = ((probs - np.eye(3)[arrays["val_y"]]) ** 2).sum(axis=1).mean()
    assert record.tuned["val_score_as_given"] == pytest.approx(brier, rel=1e-6)


def test_the_run_is_an_ordinary_one_that_says_it_was_tuned(dataset: str, tmp_path: Path, trainings: Trainings) -> None:
    config = search(dataset, tmp_path)
    record, there = run_config(config, RunOptions(tmp_path), trainings)
    assert not there
    assert trainings == [], "the trial has trained it"
    values = record.tuned["chosen"] if record.tuned else {}
    assert set(values) == {"label-smoothing.lr", "label-smoothing.epsilon"}
    (stage,) = record.config["stages"]
    assert all(stage["params"][name.partition(".")[2]] == value for name, value in values.items())
    by_hand = [f"{name}={value}" for name, value in values.items()]
    same = resolve("label-smoothing", dataset, "mlp:hidden=8", epochs=EPOCHS, settings=by_hand)
    again, there = run_config(same, RunOptions(tmp_path))
    assert there
    assert again == record == read_records(tmp_path)[0]
    assert record.method.endswith("(tuned label-smoothing.lr, label-smoothing.epsilon)")
    assert run_config(config, RunOptions(tmp_path))[1]


def test_a_record_that_was_there_is_marked(dataset: str, tmp_path: Path) -> None:
    config = search(dataset, None, trials=1)
    values = [f"{name}={value}" for name, value in config.tuned["chosen"].items()]
    plain = resolve("label-smoothing", dataset, "mlp:hidden=8", epochs=EPOCHS, settings=values)
    assert run_config(plain, RunOptions(tmp_path))[0].tuned is None
    record, there = run_config(config, RunOptions(tmp_path))
    assert there
    assert read_records(tmp_path)[0].tuned == record.tuned == config.tuned


def test_one_seed_gives_one_choice_and_another_seed_other_draws(dataset: str, tmp_path: Path) -> None:
    one, same, other = (search(dataset, tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert one.recipe == same.recipe
    first, second, third = (log_of(tmp_path / name)["trials"] for name in "abc")
    assert first == second
    assert [trial["values"] for trial in third] != [trial["values"] for trial in first]
    assert other.tuned["seed"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("cut", [1, 4, 10])
def test_a_search_that_was_cut_off_goes_on_to_the_same_trials(dataset: str, tmp_path: Path, cut: int) -> None:
    """TPE draws from trial 9 on, so that the draws of a resumed search depend on scores that were read."""
    whole = search(dataset, tmp_path / "whole", trials=12)

    def interrupt(what: str, done: float, total: int, note: str) -> None:
        if note.startswith(f"trial {cut}, "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(dataset, tmp_path / "cut", trials=12, report=interrupt)
    assert len(log_of(tmp_path / "cut")["trials"]) == cut - 1
    seen: list[str] = []
    again = search(dataset, tmp_path / "cut", trials=12, report=lambda *heard: seen.append(heard[3]))
    assert log_of(tmp_path / "cut") == log_of(tmp_path / "whole")
    assert again.tuned == {**whole.tuned}
    assert seen[0].startswith(f"trial {cut}, stage 1"), "earlier trials are not made again"


def test_more_trials_go_on_from_those_that_are_there(dataset: str, tmp_path: Path) -> None:
    search(dataset, tmp_path / "a", trials=3)
    first = log_of(tmp_path / "a")["trials"]
    search(dataset, tmp_path / "a", trials=5)
    search(dataset, tmp_path / "b", trials=5)
    assert log_of(tmp_path / "a")["trials"][:3] == first
    assert log_of(tmp_path / "a") == log_of(tmp_path / "b")
    assert search(dataset, tmp_path / "a", trials=3).tuned["trials"] == 3


def test_a_small_space_is_tried_whole(dataset: str, tmp_path: Path) -> None:
    config = search(dataset, tmp_path, space="epsilon=0|0.1|0.3, lr=1e-3|1e-1", trials=50)
    values = [tuple(trial["values"].values()) for trial in log_of(tmp_path)["trials"]]
    assert sorted(values) == [(e, lr) for e in (0.0, 0.1, 0.3) for lr in (1e-3, 1e-1)]
    assert config.tuned["trials"] == 6


def test_a_trial_that_fails_is_kept_and_not_chosen(dataset: str, tmp_path: Path) -> None:
    config = search(dataset, tmp_path, space="lr=0.01|1e30", trials=5)
    trials = log_of(tmp_path)["trials"]
    assert [trial["score"] is None for trial in trials] == [False, True]
    assert "loss is" in trials[1]["failed"] or "NLL is" in trials[1]["failed"]
    assert (config.tuned["failed"], config.tuned["chosen"]) == (1, {"label-smoothing.lr": 0.01})
    with pytest.raises(RunError, match="none of 2 trials"):
        search(dataset, tmp_path / "all", space="lr=1e29|1e30", trials=5)


def test_a_recipe_that_fails_as_given_is_searched(dataset: str, tmp_path: Path) -> None:
    """After one epoch at the default learning rate no temperature fits."""
    config = resolve("label-smoothing+temperature", dataset, "mlp:hidden=8", epochs=1)
    tuning = Tuning("lr=0.05|0.1", trials=2)
    found = tuned(config, tuning, RunOptions(tmp_path), quiet)
    assert found.tuned is not None
    assert found.tuned["val_score_as_given"] is None
    assert "temperature" in log_of(tmp_path)["as_given"]["failed"]
    assert found.tuned["val_score"] > 0


def test_a_damaged_log_is_begun_anew(dataset: str, tmp_path: Path) -> None:
    search(dataset, tmp_path, trials=2)
    (path,) = (tmp_path / "tuning").glob("*.json")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    search(dataset, tmp_path, trials=2)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"trials": 0}, "0 trials"),
        ({"seed": -1}, "not a whole number"),
        ({"metric": "ece15"}, "leads no search"),
        ({"metric": "coverage"}, "leads no search"),
        ({"metric": "bier"}, "brier"),
        ({"metric": "brier,nll"}, "names 2 metrics"),
        ({"space": "lrr=1..2"}, "did you mean"),
    ],
)
def test_mistakes_are_refused_before_anything_is_written(
    dataset: str, tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        search(dataset, tmp_path / "r", **options)
    assert not (tmp_path / "r").exists()


def test_another_metric_may_lead(dataset: str, tmp_path: Path) -> None:
    config = search(dataset, tmp_path, metric="accuracy", trials=4)
    scores = [trial["score"] for trial in log_of(tmp_path)["trials"]]
    assert config.tuned["val_score"] == max(scores)


def test_from_python(dataset: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"model": "mlp:hidden=8", "epochs": EPOCHS, "results": tmp_path}
    record = calibench.run("label-smoothing", dataset, tune=SPACE, trials=5, **options)
    assert record.tuned == search(dataset, tmp_path).tuned
    assert len(list((tmp_path / "tuning").glob("*.json"))) == 1


def test_a_network_and_arrays_from_python_are_searched_too() -> None:
    import torch

    rng = np.random.default_rng(0)
    y = np.arange(200) % 3
    x = (rng.normal(size=(200, 4)) + np.eye(4)[y]).astype(np.float32)
    record = calibench.run(
        "ce", (x, y), lambda task: torch.nn.Linear(4, 3), tune="lr=0.001|0.1", trials=2, epochs=3, results=None
    )
    assert record.tuned is not None
    assert record.tuned["log"] is None
    assert record.config["stages"][0]["params"]["lr"] == record.tuned["chosen"]["ce.lr"]
