"""Every committed entry verifies: its figures follow from its predictions, and its labels are those of the data."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from calibench.config.suite import load_suite
from calibench.records.failed_cells import read_failed
from calibench.records.store import read_records
from calibench.runs.verify import verify

BOARDS = Path(__file__).parents[2] / "leaderboards"
FOLDERS = sorted(path.parent.name for path in BOARDS.glob("*/records"))


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_has_no_fault(folder: str) -> None:
    verified = list(verify(BOARDS / folder))
    assert verified
    assert [(v.path.name, v.faults) for v in verified if v.faults] == []
    if (BOARDS / folder / "predictions").exists():
        assert [(v.path.name, v.unseen) for v in verified if v.unseen] == [], "--strict passes"


SUITES = {
    "quick-v1": {
        f"{recipe}+temperature"
        for recipe in (
            "ensemble:members=3",
            "label-smoothing",
            "logit-norm",
            "mbls",
            "mean-field",
            "mixup",
            "reinit",
        )
    },
    "posthoc-v1": set(),
    "noisy30-v1": set(),
    "selective-v1": set(),
    "imbalance-v1": set(),
}
"""The suites of which a board is committed, each with the recipes of which some runs fail."""


@pytest.mark.parametrize(("name", "failed"), SUITES.items())
def test_the_entries_of_a_suite_are_its_runs(name: str, failed: set[str]) -> None:
    suite = load_suite(name)
    cells = {(c.recipe, c.dataset.text(), c.noise and c.noise.text(), c.seed) for c in suite.configs()}
    records = read_records(BOARDS / name)
    found = {(record.recipe, record.dataset, record.noise, record.seed) for record in records}
    assert len(found) == len(records)
    assert found <= cells
    lost = {(cell.recipe, cell.dataset, cell.noise, cell.seed) for cell in read_failed(BOARDS / name)}
    assert cells - found == lost
    assert {recipe for recipe, *_ in lost} == failed


def test_the_committed_boards_are_small() -> None:
    """As git stores them, each file compressed."""
    assert sum(len(zlib.compress(path.read_bytes())) for path in BOARDS.rglob("*") if path.is_file()) < 20e6
