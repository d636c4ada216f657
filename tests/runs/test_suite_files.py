"""A suite in a file of one's own: another recipe or summary loses no run, in any command that takes a suite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from short_runs import write_blobs

import calibench

SUITE = """summary = "{summary}"
primary = "brier"
base = "ce"
method = [{recipes}]
[[data]]
dataset = "{data}"
model = "mlp:hidden=8"
[train]
epochs = 2
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """`write(summary, recipe, ...)` writes `mine-v1.toml` in the folder where commands run."""
    data = write_blobs(tmp_path)

    def write_suite(summary: str, *recipes: str) -> None:
        words = ", ".join(json.dumps(recipe) for recipe in recipes)
        (tmp_path / "mine-v1.toml").write_text(SUITE.format(summary=summary, recipes=words, data=data))

    return write_suite


@pytest.fixture
def results(write: Any, tmp_path: Path) -> Path:
    """Two runs of the suite before it was changed, and none of its sweeps."""
    write("x", "ce", "ce+isotonic")
    for recipe in ("ce", "ce+isotonic"):
        calibench.run(
            recipe, f"npz:path={tmp_path / 'blobs.npz'}", "mlp:hidden=8", epochs=2, results=tmp_path / "results"
        )
    return tmp_path / "results"


def test_runs_belong_to_a_suite_by_their_settings(write: Any, results: Path, cli: Any) -> None:
    write("another summary", "ce", "ce+isotonic", "ce+histogram")
    (board,) = cli("leaderboard", "mine-v1.toml", "--json").document["boards"]
    assert {row["recipe"] for row in board["rows"]} == {"ce", "ce+isotonic"}
    done = cli("submit", "--suite", "mine-v1.toml", "-o", "entries")
    assert (done.code, done.out.strip()) == (0, "entries: 2 records, 0 with faults")
    marks = [json.loads(file.read_text())["preset"] for file in Path("entries/records").iterdir()]
    assert {(mark["name"], mark["file"], mark["method"]) for mark in marks} == {
        ("mine-v1", "mine-v1.toml", "ce"),
        ("mine-v1", "mine-v1.toml", "ce+isotonic"),
    }


def test_a_run_with_other_settings_is_none_of_its_runs(write: Any, results: Path, tmp_path: Path, cli: Any) -> None:
    calibench.run("ce:lr=0.1", f"npz:path={tmp_path / 'blobs.npz'}", "mlp:hidden=8", epochs=2, results=results)
    (board,) = cli("leaderboard", "mine-v1.toml", "--json").document["boards"]
    assert {row["recipe"] for row in board["rows"]} == {"ce", "ce+isotonic"}


def test_a_dry_run_says_which_runs_have_a_record(write: Any, results: Path, cli: Any) -> None:
    write("x", "ce", "ce+isotonic", "ce+histogram")
    ran = cli("sweep", "mine-v1.toml", "--dry-run")
    assert "mine-v1: 3 runs, 3 missing" in ran.out
    assert "2 of them have a record with these settings" in ran.out
    assert len(cli("sweep", "mine-v1.toml", "--dry-run", "--json").document["with_record"]) == 2


def test_the_name_of_a_file_alone_is_no_suite(results: Path, refused: Any) -> None:
    refused("leaderboard", "mine-v1", says="no suite called 'mine-v1'", hint="goes by its path, as mine-v1.toml")


def test_a_folder_is_named_once(results: Path, refused: Any) -> None:
    refused("leaderboard", "results", "--results", "results", says="both name a folder", hint="name one")


@pytest.mark.slow
def test_some_recipes_of_a_suite_without_its_base(results: Path, cli: Any) -> None:
    """Named by the words of the suite, not by all of its settings; their board has no base."""
    ran = cli("sweep", "mine-v1.toml", "--only", "ce+isotonic", "-j", "1")
    assert ran.code == 0, ran.err
    assert "ce+isotonic" in ran.out
    assert "mine-v1: 1 runs, 1 there already, 0 made now, 0 failed" in ran.out
