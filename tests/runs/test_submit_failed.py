"""Failed runs of a suite are kept beside its entries, verified in form, and shown on boards of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calibench.records.failed_cells import FILE, FailedCell, read_failed_file, write_failed_file
from calibench.runs.verify import Verified, verify

SUITE = """
primary = "brier"
base = "ce"
method = ["ce", "ce+temperature"]
seed = [0]
[[data]]
dataset = "npz:path=features.npz"
model = "frozen"
"""


@pytest.fixture
def entries(features: Any, tmp_path: Path, cli: Callable[..., Any]) -> Path:
    """A swept suite in `results`, of which one run failed, and its entries in `out`."""
    (tmp_path / "mine-v1.toml").write_text(SUITE)
    ran = cli("sweep", "mine-v1.toml", "-q", "-j", "1")
    assert ran.code == 0, ran.err
    state = json.loads((tmp_path / "results" / "sweeps" / "mine-v1.json").read_text())
    (key, run_id) = next((k, e["run_id"]) for k, e in state["done"].items() if "temperature" in e["run_id"])
    about = {
        "recipe": "ce+temperature",
        "dataset": "npz:path=features.npz",
        "model": "frozen",
        "noise": None,
        "seed": 0,
    }
    state["failed"] = {key: {**about, "message": "no temperature", "hint": "more samples"}}
    del state["done"][key]
    (tmp_path / "results" / "sweeps" / "mine-v1.json").write_text(json.dumps(state))
    (tmp_path / "results" / "records" / f"{run_id}.json").unlink()
    ran = cli("submit", "--suite", "mine-v1.toml", "-o", "out")
    assert "1 records, 1 failed runs, 0 with faults" in ran.out
    return tmp_path / "out"


def of_failed(folder: Path) -> Verified:
    (found,) = [verified for verified in verify(folder) if verified.path.name == FILE]
    return found


@pytest.mark.slow
def test_a_failed_run_is_kept_shown_and_verified(entries: Path, cli: Callable[..., Any]) -> None:
    (cell,) = read_failed_file(entries / FILE)
    assert (cell.recipe, cell.message, cell.hint, cell.suite) == (
        "ce+temperature",
        "no temperature",
        "more samples",
        "mine-v1",
    )
    for where in ("results", "mine-v1.toml", "out"):
        out = " ".join(cli("leaderboard", where).out.split())
        assert "✗ ce+temperature is not ranked: seed 0 failed: no temperature" in out, where
    assert of_failed(entries).faults == []
    assert "1 records: 0 with faults, 1 equal in everything" in cli("verify", "out").out
    twice = [cell, cell, FailedCell("ce", cell.dataset, "frozen", None, 0, "m")]
    write_failed_file(entries / FILE, twice)
    faults = of_failed(entries).faults
    assert any("ce+temperature on npz:path=features.npz, seed 0 stands twice" in fault for fault in faults)
    assert any("ce on npz:path=features.npz, seed 0 has a record" in fault for fault in faults)
    (entries / FILE).write_text("{}")
    assert "is not a document 'calibench.failed/1'" in of_failed(entries).faults[0]
    assert cli("verify", "out").code == 1


def test_a_failed_run_of_another_suite_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    cells = [
        FailedCell("ce", "digits", "mlp", None, 0, "m", suite="quick-v1", sha256="0" * 64),
        FailedCell("ce", "digits", "mlp", None, 0, "m", suite="no-such-suite-v1", sha256="0" * 64),
    ]
    write_failed_file(tmp_path / FILE, cells[:1])
    assert "failed in another version of suite quick-v1: 000000000000, here" in of_failed(tmp_path).faults[0]
    write_failed_file(tmp_path / FILE, cells[1:])
    assert of_failed(tmp_path).faults == []
