"""`calibench leaderboard` of several folders, and of a folder whose runs are all of one suite."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two folders of committed entries: of `selective-v1`, whose metric is AUGRC, and of no suite."""
    for name in ("selective-v1", "digits"):
        shutil.copytree(REPOSITORY / "leaderboards" / name, tmp_path / "boards" / name)
    return tmp_path / "boards"


def test_every_form_names_the_folder_of_each_table(cli: Any, folders: Path) -> None:
    """Several tables over all data sets are told apart, and so are boards of one data set in two folders."""
    markdown = cli("leaderboard", "--results", str(folders), "--format", "markdown").out
    titles = [line for line in markdown.splitlines() if line.startswith("**")]
    assert all(str(folders) in title for title in titles)
    assert any(f"{folders / 'selective-v1'}: all data sets by augrc" in title for title in titles)
    document = cli("leaderboard", "--results", str(folders), "--json").document
    assert {Path(board["folder"]).name for board in document["boards"]} == {"selective-v1", "digits"}
    assert [Path(across["folder"]).name for across in document["across"]] == ["selective-v1"]
    table = cli("leaderboard", "--results", str(folders), "--format", "csv").out.splitlines()
    assert {Path(row["folder"]).name for row in csv.DictReader(table)} == {"selective-v1", "digits"}


def test_one_folder_is_not_named(cli: Any, folders: Path) -> None:
    (board,) = cli("leaderboard", str(folders / "digits"), "--json").document["boards"]
    assert board["folder"] is None


def test_a_folder_of_one_suite_has_the_rule_of_the_suite(cli: Any, folders: Path) -> None:
    """Its metric ranks, also where the user names the folder alone; `--metric` wins."""
    boards = cli("leaderboard", str(folders / "selective-v1"), "--json").document["boards"]
    assert {board["metric"] for board in boards} == {"augrc"}
    boards = cli("leaderboard", str(folders / "selective-v1"), "--metric", "brier", "--json").document["boards"]
    assert {board["metric"] for board in boards} == {"brier"}
