"""Damaged files and a full disk: a run is made again, or fails whole, and its figures are those of an undisturbed run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from disk import DAMAGE, file_size_limit, flip
from features_run import RUN, temporary_files
from safetensors.numpy import load_file
from short_runs import figures

from calibench.records import store

pytestmark = pytest.mark.filterwarnings("default::calibench.errors.CalibenchWarning")
"""A damaged file is named in a warning, and made again."""


@pytest.fixture
def first(cli: Any, features: Any) -> dict[str, Any]:
    """The record of the run, which is stored in `results`."""
    document: dict[str, Any] = cli(*RUN).document
    return document


def record_of(document: dict[str, Any], tmp_path: Path) -> Path:
    return tmp_path / "results" / "records" / f"{document['run_id']}.json"


# --- damaged files --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".safetensors", ".sha256"])
def test_a_damaged_cache_is_trained_again(suffix: str, first: dict[str, Any], cli: Any, tmp_path: Path) -> None:
    (result,) = (tmp_path / "results" / "cache").glob(f"*{suffix}")
    DAMAGE["cut"](result)
    record_of(first, tmp_path).unlink()
    ran = cli(*RUN)
    assert ran.code == 0, ran.err
    assert ran.document["cache"] == {"hits": [], "made": ["stage1"]}
    assert figures(ran.document) == figures(first)
    record_of(first, tmp_path).unlink()
    assert cli(*RUN).document["cache"] == {"hits": ["stage1"], "made": []}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_predictions_are_made_again(damage: str, first: dict[str, Any], cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "results" / first["predictions"]["file"]
    arrays = load_file(path)
    DAMAGE[damage](path)
    board = cli("leaderboard")
    assert board.code == 0, board.err
    assert ("no intervals of changes" if damage == "gone" else "is not ranked") in board.out
    ran = cli(*RUN)
    assert ran.code == 0, ran.err
    assert "there already" not in ran.err
    assert figures(ran.document) == figures(first)
    again = load_file(path)
    assert again.keys() == arrays.keys()
    assert all(np.array_equal(again[name], arrays[name]) for name in arrays)
    assert "there already" in cli(*RUN).err


@pytest.mark.slow
@pytest.mark.parametrize("damage", [*DAMAGE, "other schema"])
def test_a_damaged_record_is_made_again(damage: str, first: dict[str, Any], cli: Any, tmp_path: Path) -> None:
    path = record_of(first, tmp_path)
    if damage == "other schema":
        path.write_text(json.dumps(first | {"schema": "calibench.record/0"}))
    elif damage == "flipped":
        flip(path, at=10)
    else:
        DAMAGE[damage](path)
    ran = cli(*RUN)
    assert ran.code == 0, ran.err
    assert "there already" not in ran.err
    assert figures(ran.document) == figures(first)
    assert json.loads(path.read_text()) == ran.document


def test_the_same_predictions_are_the_same_bytes(first: dict[str, Any], tmp_path: Path) -> None:
    """Otherwise two runs at once could leave the record of one beside the predictions of the other, which look damaged."""
    record = store.read_record(record_of(first, tmp_path))
    arrays = store.read_predictions(tmp_path / "results", record)
    digests = set()
    for _ in range(12):
        written = store.write_run(tmp_path / "results", record, arrays)
        assert written.predictions is not None
        digests.add(written.predictions["sha256"])
    assert len(digests) == 1


# --- a full disk ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 4096, 20_000])
def test_a_full_disk(size: int, cli: Any, features: Any, tmp_path: Path) -> None:
    undisturbed = cli(*RUN, "--results", "elsewhere").document
    with file_size_limit(size):
        ran = cli(*RUN)
    assert ran.code == 1, ran.err
    assert ran.out == ""
    message, hint = ran.err.strip().splitlines()
    assert message.startswith("error: cannot write results/")
    assert "is the disk full?" in hint
    results = tmp_path / "results"
    assert not temporary_files(results)
    assert not list((results / "records").iterdir())
    assert not list((results / "predictions").iterdir())
    again = cli(*RUN)
    assert again.code == 0
    assert figures(again.document) == figures(undisturbed)


def test_a_full_disk_under_force_keeps_the_stored_run(first: dict[str, Any], cli: Any, tmp_path: Path) -> None:
    with file_size_limit(4096):
        assert cli(*RUN, "--force").code == 1
    assert not temporary_files(tmp_path)
    again = cli(*RUN)
    assert "there already" in again.err
    assert again.document == first


@pytest.mark.slow
@pytest.mark.usefixtures("first")
def test_a_full_disk_under_boards_and_plots(cli: Any, good: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "board.md").write_text("the board of last week\n")
    with file_size_limit(64):
        for command in (
            ("leaderboard", "--format", "markdown", "--output", "board.md"),
            ("evaluate", good, "--plot", "out.svg"),
            ("evaluate", good, "--plot", "out.png", "--json"),
        ):
            ran = cli(*command)
            assert ran.code == 1, ran.err
            assert ran.out == ""
            assert "cannot write" in ran.err
            assert "Traceback" not in ran.err
    assert (tmp_path / "board.md").read_text() == "the board of last week\n"
    assert not list(tmp_path.glob("out.*"))
    assert not temporary_files(tmp_path)
