"""`calibench leaderboard`: the forms of a board, files, and what is refused."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest

import calibench

RECIPES = ("ce", "ce+temperature", "ce+threshold")


@pytest.fixture(scope="module")
def stored_results(tmp_path_factory, samples):
    """A results folder with one run of each recipe."""
    folder = tmp_path_factory.mktemp("runs")
    (x, y), (test_x, test_y) = samples(240, seed=1), samples(120, seed=2)
    head = {"head_weight": np.eye(3, dtype=np.float32), "head_bias": np.zeros(3, dtype=np.float32)}
    np.savez(folder / "features.npz", train_x=x, train_y=y, test_x=test_x, test_y=test_y, **head)
    for recipe in RECIPES:
        calibench.run(recipe, f"npz:path={folder / 'features.npz'}", "frozen", results=folder / "results")
    return folder / "results"


@pytest.fixture
def results(stored_results, tmp_path):
    """A copy of the results in the folder where commands run."""
    return shutil.copytree(stored_results, tmp_path / "results")


@pytest.mark.usefixtures("results")
def test_json(cli):
    document = cli("leaderboard", "--json").document
    assert document["schema"] == "calibench.leaderboard/2"
    (board,) = document["boards"]
    assert {row["recipe"] for row in board["rows"]} == set(RECIPES)
    assert board["rows"][0]["recipe"] == "ce+temperature"
    assert board["base"] == "ce"
    assert all(1 <= row["rank"][0] <= row["rank"][1] <= len(RECIPES) for row in board["rows"])
    assert cli("leaderboard", "--format", "json").document == document


@pytest.mark.usefixtures("results")
def test_a_named_base_and_a_wide_tolerance(cli, refused):
    (board,) = cli("leaderboard", "--base", "ce+temperature", "--tolerance", 5, "--json").document["boards"]
    assert (board["base"], board["tolerance"]) == ("ce+temperature", 5.0)
    assert {tuple(row["rank"]) for row in board["rows"]} == {(1, 1)}
    assert [row["recipe"] for row in board["rows"] if row["change"] is None] == ["ce+temperature"]
    refused("leaderboard", "--base", "ce+temprature", says="no record has the recipe", hint="did you mean")
    refused("leaderboard", "--tolerance", -1, says="the tolerance -1.0 is not a number from 0 on")


@pytest.mark.usefixtures("results")
def test_a_biased_metric_gives_an_order_and_no_ranks(cli):
    ran = cli("leaderboard", "--metric", "ece15")
    assert "in the order of ece15" in ran.out
    assert "no ranks: ece15 is biased by an amount that depends on the model" in " ".join(ran.out.split())


@pytest.mark.usefixtures("results")
def test_csv(cli):
    cells = list(csv.DictReader(cli("leaderboard", "--format", "csv").out.splitlines()))
    assert {cell["method"] for cell in cells} == set(RECIPES)
    (ece,) = [cell for cell in cells if cell["method"] == "ce" and cell["metric"] == "ece15"]
    (board,) = cli("leaderboard", "--json").document["boards"]
    (row,) = [row for row in board["rows"] if row["recipe"] == "ce"]
    assert float(ece["mean"]) == row["cells"]["ece15"]["mean"]


@pytest.mark.usefixtures("results")
def test_markdown_on_standard_output_and_in_a_file(cli, tmp_path):
    markdown = cli("leaderboard", "--format", "markdown")
    assert markdown.err == ""
    lines = [line for line in markdown.out.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(RECIPES)
    assert len({line.count("|") for line in lines}) == 1
    written = cli("leaderboard", "--format", "markdown", "--output", "new/board.md")
    assert written.out == ""
    assert "wrote new/board.md" in written.err
    assert (tmp_path / "new" / "board.md").read_text() == markdown.out


@pytest.mark.usefixtures("results")
def test_another_metric_and_chosen_columns(cli):
    by_nll = cli("leaderboard", "--metric", "nll", "--columns", "accuracy, nll")
    assert "ranked by nll" in by_nll.out.replace("\n", " ")
    assert "brier" not in by_nll.out


def test_there_must_be_records(refused, tmp_path):
    (tmp_path / "taken").write_text("a file")
    refused("leaderboard", says="there are no records under 'results'", hint="run first")
    refused("leaderboard", "--results", "taken", says="there are no records under 'taken'")


@pytest.mark.usefixtures("results")
def test_metrics_columns_and_files_that_cannot_be(refused, tmp_path):
    (tmp_path / "taken").write_text("a file")
    refused("leaderboard", "--metric", "ece51", says="no record has the metric 'ece51'", hint="did you mean 'ece15'?")
    refused("leaderboard", "--metric", "mce15", says="never ranked by", hint="rank by brier")
    refused("leaderboard", "--columns", "nll,breir", says="has the metric 'breir'", hint="did you mean 'brier'?")
    refused("leaderboard", "--output", "taken/b.md", says="cannot write in")


def test_a_file_that_is_not_a_record_is_named(refused, results):
    record = next((results / "records").glob("*.json"))
    whole = record.read_text()
    record.write_text(whole[: len(whole) // 2])
    refused("leaderboard", says=(record.name, "not JSON"), hint="remove it")
    record.write_text('{"schema": "calibench.record/3"}')
    refused("leaderboard", says=(record.name, "its schema is 'calibench.record/3'"))
    record.write_text('{"schema": "calibench.record/1"}')
    refused("leaderboard", says=(record.name, "the record has no run_id"))
    record.write_text("null")
    refused("leaderboard", says=record.name)
