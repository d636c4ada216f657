"""`calibench compare`: forms of output, commits of git, narrow terminals, names with markup, exit codes."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))
from compared_runs import samples, store_run
from imported_modules import imported_modules


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """`ce`, and `sure` which is three times as sure, on two data sets."""
    folder = tmp_path / "results"
    for dataset in ("toy", "more"):
        logits, labels = samples()
        store_run(folder, "ce", 0, logits, labels, dataset=dataset)
        store_run(folder, "sure", 0, 3 * logits, labels, dataset=dataset)
    return folder


@pytest.mark.usefixtures("results")
def test_every_form_has_the_same_change(cli: Any) -> None:
    document = cli("compare", "ce", "sure", "--format", "json").document
    assert document["schema"] == "calibench.compare/1"
    figure = document["rows"][0]["figures"]["brier"]
    assert figure["word"] == "worse"
    (line,) = [
        line
        for line in csv.DictReader(io.StringIO(cli("compare", "ce", "sure", "--format", "csv").out))
        if (line["section"], line["dataset"], line["metric"]) == ("figures", "more", "brier")
    ]
    assert [float(line["change"]), float(line["low"])] == [figure["change"], figure["interval"][0]]
    shown = f"+{figure['change']:.4f} [{figure['interval'][0]:.4f}, {figure['interval'][1]:.4f}]"
    assert shown in cli("compare", "ce", "sure").out
    assert f"| {shown} | worse |" in cli("compare", "ce", "sure", "--format", "md").out


@pytest.mark.usefixtures("results")
def test_one_data_set_shows_where_the_change_comes_from(cli: Any) -> None:
    all_rows = cli("compare", "ce", "sure").out
    assert "by true class" not in all_rows
    assert "--parts, shows where the changes come from" in all_rows
    for args in (("-d", "toy"), ("--parts",)):
        out = cli("compare", "ce", "sure", *args).out
        assert all(f"by {kind}" in out for kind in ("true class", "the confidence of A", "the answers"))
    assert "by true class" not in cli("compare", "ce", "sure", "-d", "toy", "--no-parts").out
    lines = list(csv.DictReader(io.StringIO(cli("compare", "ce", "sure", "-d", "toy", "--format", "csv").out)))
    assert {line["part"] for line in lines if line["section"] == "class"} == {"0", "1", "2", "3"}


@pytest.mark.usefixtures("results")
def test_a_narrow_terminal_drops_the_gaps_and_cuts_no_line(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    monkeypatch.setattr("calibench.cli.compare.stdout", lambda: Console(highlight=False, width=80, force_terminal=True))
    out = cli("compare", "ce", "sure", "-d", "toy").out
    assert "no room for the gaps" in out
    assert "gap A %" not in out
    assert "gap A %" in cli("compare", "ce", "sure", "-d", "toy", "--format", "md").out


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_two_commits_of_one_folder(
    results: Path, cli: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "results")
    git(tmp_path, "commit", "-q", "-m", "first")
    logits, labels = samples()
    store_run(results, "ce", 0, 3 * logits, labels)
    git(tmp_path, "commit", "-q", "-a", "-m", "second")
    document = cli("compare", "HEAD~1:results", "HEAD:results", "--format", "json").document
    rows = {(row["dataset"], row["recipe"]): row["figures"]["brier"]["word"] for row in document["rows"]}
    assert rows == {
        ("more", "ce"): "equal",
        ("more", "sure"): "equal",
        ("toy", "ce"): "worse",
        ("toy", "sure"): "equal",
    }
    assert (
        cli("compare", "HEAD:results", "results", "--format", "json").document["rows"][2]["figures"]["nll"]["word"]
        == "equal"
    )
    shown = cli("compare", "HEAD~1:results", "HEAD:results").out
    assert "4 rows are in both; 3 of them are equal in everything and not listed" in shown
    assert "more, sure" not in shown
    assert "toy, ce" in shown
    assert not list(temporary.iterdir())
    for missing in ("HEAD:nothing", "HEAD:results/records/none", "HEAD~9:results"):
        ran = cli("compare", missing, "HEAD:results")
        assert ran.code == 2, ran.err
        assert "hint: " in ran.err


@pytest.mark.usefixtures("results")
def test_names_of_records_are_text(results: Path, cli: Any) -> None:
    logits, labels = samples(80)
    for recipe in ("ce", "sure"):
        store_run(
            results, recipe, 0, logits, labels, dataset="[red]x[/red]\x1b[31m|<b>", digest="x", run_id=f"x-{recipe}"
        )
    out = cli("compare", "ce", "sure").out
    assert "[red]x[/red]" in out
    assert "\x1b" not in out
    assert "\\x1b" in out
    line = next(
        line for line in cli("compare", "ce", "sure", "--format", "md", "--parts").out.splitlines() if "[red]" in line
    )
    assert "\x1b" not in line


@pytest.mark.usefixtures("results")
def test_a_file_is_written_whole(cli: Any, tmp_path: Path) -> None:
    ran = cli("compare", "ce", "sure", "--format", "csv", "-o", "out.csv")
    assert (ran.code, ran.out) == (0, "")
    assert (tmp_path / "out.csv").read_text() == cli("compare", "ce", "sure", "--format", "csv").out


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize(
    ("args", "says", "hint"),
    [
        (("ce", "sur"), "'sur' is no recipe or run", "did you mean 'sure'"),
        (("ce", "results"), "A 'ce' is a recipe and B 'results' is a folder", "two of a kind"),
        (("ce", "sure", "-d", "tox"), "has the dataset 'tox'", "did you mean 'toy'"),
        (("ce", "sure", "--sort", "brie"), "'brie' is not compared", "did you mean 'brier'"),
        (("ce", "sure", "--metrics", "bries"), "metric 'bries'", "did you mean 'brier'"),
        (("ce", "sure", "--results", "none"), "no records under 'none'", "run first"),
        (("ce", "sure", "-o", "no/where.md"), "no", ""),
    ],
)
def test_mistakes_are_refused(refused: Any, args: tuple[str, ...], says: str, hint: str) -> None:
    refused("compare", *args, says=says, hint=hint)


@pytest.mark.slow
@pytest.mark.usefixtures("results")
def test_stored_replicates_need_no_torch(tmp_path: Path) -> None:
    assert "torch" not in imported_modules(("compare", "ce", "sure"), tmp_path)
