"""`calibench leaderboard`: columns, orders, fronts, ratings and diagrams, and the formats that cannot hold them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "leaderboard"))
from board_records import unstored_record

from calibench.atomic import write_json

MACHINE = {"processor": "Any", "cores": 2, "threads": 1, "device": "cpu"}
HOSTILE = "ce+<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def results(tmp_path: Path) -> Path:
    """Four recipes on six data sets, without predictions."""
    folder = tmp_path / "results" / "records"
    folder.mkdir(parents=True)
    for number in range(6):
        for place, recipe in enumerate(("ce", "ce+temperature", "vtst", HOSTILE)):
            nll = 0.3 + 0.1 * place + 0.02 * ((number * (place + 2)) % 5)
            record = unstored_record(
                recipe,
                0,
                {"nll": nll, "accuracy": 0.9 - 0.1 * place},
                dataset=f"set{number}",
                data={"clean_fingerprint": str(number)},
                machine=MACHINE,
                timings_s={"stage1": 4.0 - place},
            )
            write_json(folder / f"{number}-{place}.json", record.to_dict())
    return tmp_path / "results"


def words(text: str) -> str:
    return " ".join(text.split())


def test_elo_stands_in_the_table_over_all_data_sets(cli: Callable[..., Any]) -> None:
    out = words(cli("leaderboard", "--metric", "nll", "--elo").out)
    assert "Elo: Bradley-Terry by maximum likelihood, mean 1000" in out
    for form in ("md", "html", "latex", "svg"):
        assert "Elo" in cli("leaderboard", "--metric", "nll", "--elo", "--format", form).out
    (summary,) = cli("leaderboard", "--metric", "nll", "--elo", "--json").document["across"]
    assert max(summary["elo"], key=lambda recipe: summary["elo"][recipe]["rating"]) == "ce"
    assert f"{summary['elo']['ce']['rating']:.0f} [" in out
    (without,) = cli("leaderboard", "--metric", "nll", "--json").document["across"]
    assert without["elo"] is None


def test_the_diagram_in_the_terminal_and_as_a_picture(cli: Callable[..., Any], tmp_path: Path) -> None:
    out = cli("leaderboard", "--metric", "nll", "--diagram", "terminal").out
    assert "Friedman's test of 4 recipes on 6 data sets by nll: chi2(3) = " in words(out)
    assert "┃" in out
    ran = cli("leaderboard", "--metric", "nll", "--diagram", "new/cd.svg", "--json")
    assert "wrote new/cd.svg" in ran.err
    json.loads(ran.out)
    picture = (tmp_path / "new" / "cd.svg").read_text()
    ElementTree.fromstring(picture)
    assert "<script" not in picture
    assert "&lt;script&gt;alert(1)" in picture
    for recipe in ("ce", "vtst"):
        assert re.search(rf">{re.escape(recipe)}  \d\.\d\d<", picture)


def test_the_front_and_other_orders(cli: Callable[..., Any]) -> None:
    out = cli("leaderboard", "--metric", "nll", "--pareto", "--sort", "-accuracy").out
    assert "◆" in out
    assert "in the order of -accuracy" in out
    board = cli("leaderboard", "--metric", "nll", "--pareto", "--sort", "name", "--json").document["boards"][0]
    assert [row["recipe"] for row in board["rows"]] == sorted(row["recipe"] for row in board["rows"])
    assert board["front"]
    narrow = cli("leaderboard", "--metric", "nll", "--pareto", "--columns", "accuracy", "--format", "md").out
    head = next(line for line in narrow.splitlines() if line.startswith("| rank"))
    assert head == "| rank | method | nll nats | accuracy % | train s |"


def test_a_picture_of_the_tables_loads_nothing(cli: Callable[..., Any]) -> None:
    text = cli("leaderboard", "--metric", "nll", "--format", "svg").out
    ElementTree.fromstring(text)
    assert "http" not in re.sub(r'xmlns="[^"]*"|<!--.*?-->', "", text)
    assert "<script" not in text
    assert "vtst" in text


@pytest.mark.parametrize(
    ("options", "says", "hint"),
    [
        (("--sort", "acuracy"), "--sort acuracy: no record", "did you mean 'accuracy'?"),
        (("--columns", "accuracy,chnage"), "'chnage'", "did you mean 'change'?"),
        (("--columns", ","), "--columns names no column", "as in"),
        (("--columns", "nll", "--format", "csv"), "--columns has no use in csv", "leave it out"),
        (("--columns", "nll", "--json"), "--columns has no use in json", "leave it out"),
        (("--columns", "reliability", "--format", "latex"), "latex cannot hold the column reliability", "html"),
        (("--json", "--format", "csv"), "--json and --format csv name two formats", "leave one"),
        (("--elo", "--format", "csv"), "csv holds boards of one data set alone", "json"),
        (("--diagram", "terminal", "--format", "md"), "--diagram terminal is for the terminal", "cd.svg"),
        (("--diagram", "terminal", "--output", "b.txt"), "--diagram terminal is for the terminal", "cd.svg"),
        (("--diagram", "cd.png"), "--diagram cd.png is no .svg", "cd.svg"),
        (("--diagram", "a.svg", "--format", "svg", "--output", "a.svg"), "are one file", "two files"),
    ],
    ids=str,
)
def test_what_cannot_be_shown_is_refused(options: tuple[str, ...], says: str, hint: str, refused: Any) -> None:
    refused("leaderboard", "--metric", "nll", *options, says=says, hint=hint)


def test_ratings_fronts_and_diagrams_that_cannot_be_made_are_refused(results: Path, refused: Any) -> None:
    for path in (results / "records").glob("[1-5]-*.json"):
        path.unlink()
    refused("leaderboard", "--metric", "nll", "--elo", says="--elo compares over data sets, and here are not two")
    refused("leaderboard", "--metric", "nll", "--diagram", "cd.svg", says="--diagram compares over data sets")
    path = results / "records" / "0-1.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "machine": {**MACHINE, "cores": 64}}))
    says = "--pareto: no Pareto front: the seconds were measured on 2 machines"
    refused("leaderboard", "--metric", "nll", "--pareto", says=says, hint="on one machine")
