"""The command line and `calibench.run` are two ways to ask for the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from calibench import run

NOW = ("created", "timings_s", "cache")
"""Fields of a record that say when it was made, how long it took, and what was cached."""

WORDS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "a recipe": (("-m", "ce+temperature"), {"method": "ce+temperature"}),
    "settings": (
        ("-m", "vtst", "--set", "vtst.epochs=2", "--set", "ce.lr=0.01", "--select", "last", "-s", "3"),
        {"method": "vtst", "settings": ["vtst.epochs=2", "ce.lr=0.01"], "select": "last", "seed": 3},
    ),
    "noise and a shift": (
        ("-m", "ce", "--noise", "symmetric:rate=0.2", "--shift", "rotation:angles=30"),
        {"method": "ce", "noise": "symmetric:rate=0.2", "shift": "rotation:angles=30"},
    ),
}


def without_now(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in NOW}


@pytest.mark.slow
@pytest.mark.parametrize("name", WORDS)
def test_the_same_words_give_the_same_record(name: str, cli: Any, tmp_path: Path) -> None:
    words, options = WORDS[name]
    ran = cli("run", *words, "--model", "mlp:hidden=8", "--epochs", "2", "--results", "by-command", "--json")
    assert ran.code == 0, ran.err
    record = run(**options, model="mlp:hidden=8", epochs=2, results=tmp_path / "by-program").to_dict()
    assert record["run_id"] == ran.document["run_id"]
    assert record["metrics"] == ran.document["metrics"]
    assert without_now(record) == without_now(ran.document)


def test_either_finds_the_run_of_the_other(cli: Any, tmp_path: Path) -> None:
    words, options = WORDS["a recipe"]
    record = run(**options, model="mlp:hidden=8", epochs=2, results=tmp_path / "results").to_dict()
    ran = cli("run", *words, "--model", "mlp:hidden=8", "--epochs", "2", "--json")
    assert "there already" in ran.err
    assert ran.document == record
