"""`calibench results`: a flat table of all runs, and conditions on it."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "leaderboard"))
from board_records import unstored_record

from calibench.atomic import write_json


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Four records without predictions."""
    folder = tmp_path / "results" / "records"
    folder.mkdir(parents=True)
    for recipe, seed, nll in (("ce", 0, 0.5), ("ce", 1, 0.6), ("vtst", 0, 0.4), ("=cmd", 0, None)):
        record = unstored_record(recipe, seed, {"nll": nll}, intervals={"nll": [0.1, 0.9] if nll else None})
        write_json(folder / f"{record.run_id}.json".replace("=", ""), record.to_dict())
    return tmp_path / "results"


def recipes(cli: Any, *args: str) -> list[str]:
    return sorted(
        f"{run['recipe']}{run['seed']}" for run in json.loads(cli("results", "--format", "json", *args).out)["runs"]
    )


def test_every_run_is_a_row_with_its_figures(runs: Path, cli: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(cli("results", "--format", "csv").out)))
    assert len(rows) == 4
    row = next(row for row in rows if row["recipe"] == "ce" and row["seed"] == "1")
    assert (float(row["nll"]), float(row["nll_low"]), float(row["nll_high"])) == (0.6, 0.1, 0.9)
    assert (row["dataset"], row["model"], row["noise"]) == ("toy", "mlp", "")


def test_a_spreadsheet_computes_no_name(runs: Path, cli: Any) -> None:
    assert "'=cmd" in cli("results", "--format", "csv").out


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("nll<0.55", ["ce0", "vtst0"]),
        ("recipe=ce and seed>=1", ["ce1"]),
        ("recipe != ce", ["=cmd0", "vtst0"]),
        ("nll=none", ["=cmd0"]),
        ("nll!=none AND dataset = 'toy'", ["ce0", "ce1", "vtst0"]),
        ("nll<=0.4", ["vtst0"]),
        ("seed>5", []),
        ("recipe=vtst or seed=1", ["ce1", "vtst0"]),
        ("not recipe=ce", ["=cmd0", "vtst0"]),
        ("recipe=ce and seed=1 or recipe=vtst", ["ce1", "vtst0"]),
        ("recipe=ce and (seed=1 or recipe=vtst)", ["ce1"]),
        ("not (recipe=ce or recipe=vtst) and not nll<1", ["=cmd0"]),
        ("NOT((nll<0.45)OR(nll>0.55))AND nll!=none", ["ce0"]),
        ("not not recipe='vtst'", ["vtst0"]),
        ('recipe="ce and seed=1"', []),
        ("created=2025-01-01T00:00:00+00:00 and nll<0.45", ["vtst0"]),
    ],
)
def test_conditions(condition: str, expected: list[str], runs: Path, cli: Any) -> None:
    assert recipes(cli, "--where", condition) == expected


@pytest.mark.parametrize(
    ("condition", "says", "hint"),
    [
        ("nll", "cannot read the condition 'nll'", "--where"),
        ("nil<0.5", "there is no column 'nil'", "did you mean 'nll'?"),
        ("nll<small", "'small' is not a number", "ece15<0.02"),
        ("recipe<ce", "compares words by <", "use = or !="),
        ("recipe=ce and", "the condition 'recipe=ce and' ends too early", "--where"),
        ("(recipe=ce", "ends too early", "--where"),
        ("recipe=ce)", "cannot read the condition ')' behind 'recipe=ce'", "--where"),
        ("recipe=ce seed=1", "cannot read the condition 'seed=1' behind 'recipe=ce'", "--where"),
        ("and recipe=ce", "cannot read the condition 'and recipe=ce'", "--where"),
        ("__import__('os')", "cannot read the condition", "--where"),
        ("recipe='ce", "cannot read the condition", "--where"),
        ("", "the condition '' ends too early", "--where"),
        ("(" * 60 + "seed=1" + ")" * 60, "over 50 parentheses deep", "--where"),
    ],
)
def test_conditions_that_cannot_be_read(condition: str, says: str, hint: str, runs: Path, refused: Any) -> None:
    refused("results", "--where", condition, says=says, hint=hint)


def test_files_and_a_table(runs: Path, cli: Any, refused: Any) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    assert "wrote r.parquet: 4 runs" in cli("results", "--format", "parquet", "-o", "r.parquet").err
    assert parquet.read_table("r.parquet").num_rows == 4
    cli("results", "-o", "r.csv")
    assert len(Path("r.csv").read_text().splitlines()) == 5
    cli("results", "-o", "again.parquet")
    assert parquet.read_table("again.parquet").num_rows == 4
    refused("results", "-o", "r.txt", says="cannot write 'r.txt' as txt")
    assert "4 runs" in cli("results").out
    refused("results", "--format", "parquet", says="a parquet needs a file")
    refused("results", "-o", "nowhere/r.csv", says="there is no folder 'nowhere'")
    refused("results", "--results", "nothing", says="there are no records")
