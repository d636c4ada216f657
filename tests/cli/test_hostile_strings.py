"""Strings in records that a stranger wrote reach every form of output as text: no escape steers the terminal, no markup is read."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

BOARD = Path(__file__).parents[2] / "leaderboards" / "quick-v1"

EVIL = (
    "\x1b[2J\x1b]0;title\x07 \x9b31m \u202etxt\u202c \u2066x \u200b [bold red]loud[/] [link=http://x]y[/link] :warning: "
    "<script>alert(1)</script> <img src=x onerror=alert(1)> ![p](http://x/p.png) [a](javascript:b) `c` $\\frac{$ a|b\nnew &lt;"
)
FORMULAS = ("=HYPERLINK(1)", "@SUM(1)", "+cmd|x", "-2+3", "\t=1", " =1")

TEXTS = ("dataset", "model", "backend", "noise")
"""Fields that several views show; the recipe gets a formula too."""

STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Six records of a committed board, each with an evil text in every field that is shown."""
    folder = tmp_path / "results"
    (folder / "records").mkdir(parents=True)
    (folder / "predictions").mkdir()
    for number, file in enumerate(sorted((BOARD / "records").glob("breast-cancer*-s0-*.json"))[: len(FORMULAS)]):
        record = json.loads(file.read_text())
        shutil.copy(BOARD / record["predictions"]["file"], folder / "predictions")
        (folder / "records" / file.name).write_text(json.dumps(evil(record, FORMULAS[number])))
    failed = {"recipe": EVIL, "dataset": EVIL, "model": EVIL, "noise": EVIL, "seed": 0, "message": EVIL, "hint": ""}
    (folder / "failed.json").write_text(json.dumps({"schema": "calibench.failed/1", "cells": [failed]}))
    return folder


def evil(record: dict[str, Any], formula: str) -> dict[str, Any]:
    """The record with evil texts."""
    epochs = {"epochs": [1, 2], "train_loss": [1.0, 0.5], "val_nll": [1.0, 0.5]}
    changed = {
        **record,
        **dict.fromkeys(TEXTS, EVIL),
        "preset": None,  # boards of a suite name rows by the suite's own words
        "recipe": formula + EVIL,
        "versions": {**record["versions"], "calibench": EVIL, "torch": EVIL},
        "machine": {**record["machine"], "processor": EVIL},
        "data": {**record["data"], "notes": [EVIL], "group": EVIL, "licence": EVIL, "source": EVIL},
        "verdict": EVIL,
        "warnings": [EVIL],
        "created": EVIL,
        "no_interval": {"ece15": EVIL},
        "fitted": [{"stage": EVIL, "still_falling": True}],
        "curves": [{"stage": EVIL, **epochs}],
        "shift": [{"shift": EVIL, "kind": EVIL, "severity": 1, "n": 9, "metrics": record["metrics"], "intervals": {}}],
        "ood": [{"set": EVIL, "group": EVIL, "score": EVIL, "n": 9, "metrics": {"auroc": 0.5}, "intervals": {}}],
    }
    changed["metrics"] = {**record["metrics"], f"own{EVIL}": 0.5}
    changed["units"] = {**record["units"], f"own{EVIL}": {"unit": EVIL, "better": "lower", "rankable": True}}
    return changed


@pytest.mark.parametrize(
    "words",
    [
        *(("leaderboard", "--format", form) for form in ("table", "markdown", "csv", "json", "latex", "html", "svg")),
        *(("results", "--format", form) for form in ("table", "csv", "json")),
        ("compare", "breast", "breast"),
        ("winrates",),
        ("curves", "breast-cancer-mlp-ce+dirichlet"),
        ("curves", "breast-cancer-mlp-ce+dirichlet", "--format", "json"),
        ("verify", "results"),
        ("leaderboard", "--metric", "x\x1b[2J\u202e"),
        ("show", "method", "x\x1b[2J\u202e"),
        ("evaluate", "x\x1b[2J\u202e.csv"),
    ],
    ids=lambda words: " ".join(words).encode("unicode_escape").decode(),
)
@pytest.mark.usefixtures("results")
def test_nothing_in_a_record_steers_the_terminal(words: tuple[str, ...], cli: Any) -> None:
    ran = cli(*words)
    assert ran.code in (0, 1, 2)
    assert not STEERS.search(ran.out + ran.err), STEERS.search(ran.out + ran.err)
    assert "this is a bug" not in ran.err
    assert "Traceback" not in ran.err
    assert (ran.out + ran.err).strip()


@pytest.mark.usefixtures("results")
def test_terminal_markup_is_text(cli: Any) -> None:
    out = cli("leaderboard").out
    assert "[bold red]loud[/]" in out
    assert ":warning:" in out


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize("form", ["markdown", "html"])
def test_neither_markdown_nor_a_page_holds_a_tag_of_the_record(form: str, cli: Any) -> None:
    out = cli("leaderboard", "--format", form).out
    assert "alert(1)" in out
    assert not re.search("<script>alert|<img", out)
    if form == "markdown":
        assert not re.search(r"!\[|\]\(", out), "neither a picture nor a link"
        tables = [line for line in out.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in tables}) == 1, "a cell has no column of its own"


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize("words", [("leaderboard", "--format", "csv"), ("results", "--format", "csv")])
def test_no_cell_of_csv_is_a_formula_and_numbers_stay_numbers(words: tuple[str, ...], cli: Any) -> None:
    out = cli(*words).out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert rows
    column = "recipe" if "recipe" in rows[0] else "method"
    assert {row[column][:2] for row in rows} >= {"'=", "'@", "'+", "'-"}
    for row in rows:
        for name, cell in row.items():
            assert "\n" not in cell
            if cell.lstrip()[:1] in tuple("=+-@"):
                float(cell)  # a figure below 0
            elif cell and name in ("mean", "brier"):
                assert 0 <= float(cell) <= 2


@pytest.mark.slow
@pytest.mark.usefixtures("results")
def test_a_site_holds_no_tag_of_the_record(cli: Any, tmp_path: Path) -> None:
    ran = cli("site", "--results", "results", "-o", "site")
    assert "this is a bug" not in ran.err, ran.err
    for page in (tmp_path / "site").rglob("*.html"):
        assert not re.search("<script>alert|<img src=x", page.read_text()), page
        assert page.resolve().is_relative_to(tmp_path)
