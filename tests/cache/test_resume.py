"""The file of an unfinished training: when it is written, and that a damaged one or a full disk stops no training."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from disk import DAMAGE, file_size_limit
from torch import nn

from calibench import InputError, run
from calibench.cache.resume import VARIABLE, Resume
from calibench.cache.stage_cache import StageCache
from calibench.errors import CalibenchNote, CalibenchWarning
from calibench.progress import quiet
from calibench.training.loop import train
from calibench.training.schedule import Schedule

STATE = {"weight": torch.arange(6.0), "epoch": torch.tensor(3)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "stage1-key.unfinished"


@pytest.fixture
def _every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0")


def train_toy(file: Path, validation_nlls: list[float], epochs: int = 9, patience: int | None = 3) -> dict[str, float]:
    """Train one weight for `epochs`, with these validation NLLs; after the last one the user presses Ctrl-C."""
    module, script = nn.Linear(1, 1), iter(validation_nlls)

    def validate() -> float:
        value = next(script, None)
        if value is None:
            raise KeyboardInterrupt
        return value

    schedule = Schedule(epochs, 0.1, 4, patience=patience)
    return train(module, lambda rows: module.weight.sum(), validate, 8, schedule, quiet, "toy", resume=Resume(file))


def test_a_state_is_read_as_it_was_written(file: Path) -> None:
    Resume(file).write(STATE)
    state = Resume(file).read()
    assert state is not None
    assert state.keys() == {*STATE, "seconds"}
    assert all(torch.equal(state[name], value) for name, value in STATE.items())
    assert Resume(file, usable=False).read() is None
    assert Resume(file.with_name("another")).read() is None


@pytest.mark.parametrize("damage", [name for name in DAMAGE if name != "gone"])
def test_a_damaged_file_is_ignored_with_a_warning(damage: str, file: Path) -> None:
    Resume(file).write(STATE)
    DAMAGE[damage](file)
    with pytest.warns(CalibenchWarning, match="damaged and was ignored"):
        assert Resume(file).read() is None


@pytest.mark.usefixtures("_every_epoch")
def test_a_training_beside_a_damaged_file_starts_from_the_beginning(file: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_toy(file, [3.0, 2.0])
    DAMAGE["flipped"](file)
    with pytest.warns(CalibenchWarning, match="damaged and was ignored") as caught:
        assert train_toy(file, [5.0, 4.0, 6.0], epochs=3, patience=None)["val_nll"] == 4.0
    assert not any(issubclass(warning.category, CalibenchNote) for warning in caught)


@pytest.mark.usefixtures("_every_epoch")
def test_patience_goes_on_counting(file: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_toy(file, [3.0, 2.0, 2.5])
    with pytest.warns(CalibenchNote, match="resumed from epoch 3 of 9"):
        kept = train_toy(file, [2.6, 2.7])
    assert (kept["epoch"], kept["val_nll"], kept["ended_after"]) == (2, 2.0, 5)


def test_a_training_is_kept_no_more_often_than_every_thirty_seconds(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(KeyboardInterrupt):
        train_toy(file, [3.0, 2.0])
    assert not file.exists()
    assert Resume(file).interval == 30


@pytest.mark.parametrize("text", ["soon", "-1", "nan"])
def test_a_bad_interval_is_refused(text: str, blobs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(InputError, match=VARIABLE):
        run("ce", blobs, results=tmp_path / "r")
    assert not (tmp_path / "r").exists()


@pytest.mark.usefixtures("_every_epoch")
def test_a_full_disk_is_warned_of_once_and_the_training_goes_on(file: Path) -> None:
    with warnings.catch_warnings(record=True) as caught, file_size_limit(64):
        warnings.simplefilter("always")
        assert train_toy(file, [3.0, 2.0, 4.0, 5.0], epochs=4, patience=None)["epoch"] == 2
    assert [str(warning.message).endswith("the training goes on without") for warning in caught] == [True]
    assert list(file.parent.iterdir()) == []


def test_seconds_of_earlier_processes_are_added(file: Path) -> None:
    earlier = Resume(file)
    earlier.before = 1000.0
    earlier.write(STATE)
    later = Resume(file)
    later.read()
    assert 1000 <= later.before < 1060
    assert later.seconds >= later.before


def test_only_the_first_training_of_a_stage_is_resumed(file: Path) -> None:
    resume = Resume(file)
    assert resume.claim() is resume
    assert resume.claim() is None


def test_a_cache_says_where_an_unfinished_result_lies_and_whether_it_may_be_used(tmp_path: Path) -> None:
    assert StageCache(None).unfinished("stage1", "key") is None
    assert StageCache(tmp_path).unfinished("stage1", "key") == (tmp_path / "stage1-key.unfinished", True)
    assert StageCache(tmp_path, fresh=True).unfinished("stage1", "key") == (tmp_path / "stage1-key.unfinished", False)
