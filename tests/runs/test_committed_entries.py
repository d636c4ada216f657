"""Every committed entry verifies: its figures follow from its predictions, and its labels are those of the data."""

from __future__ import annotations

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
        assert [(v.path.name, v.unseen) for v in verified if v.unseen] == []


def test_the_entries_of_a_suite_are_its_runs() -> None:
    suite = load_suite("quick-v1")
    cells = {(c.recipe, c.dataset.text(), c.seed) for c in suite.configs()}
    found = {(r.recipe, r.dataset, r.seed) for r in read_records(BOARDS / "quick-v1")}
    assert found <= cells
    failed = read_failed(BOARDS / "quick-v1")
    assert cells - found == {(cell.recipe, cell.dataset, cell.seed) for cell in failed}
    assert {cell.sha256 for cell in failed} == {suite.sha256}
