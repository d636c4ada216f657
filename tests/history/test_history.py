"""Records that earlier versions of calibench wrote are read, stand on boards with their figures, and verify."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibench.evaluation.stored_run import replicates_again
from calibench.leaderboard.boards import boards
from calibench.records.store import read_record, read_records
from calibench.report.render import render
from calibench.runs.verify import verify

HISTORY = Path(__file__).parent
WRITTEN = {
    "digits-mlp-ce+temperature-s0-213920616a10": ("2026-11-22", "ce+temperature"),
    "npz-mlp-adafocal-s0": ("2026-11-22", "adafocal"),
    "digits-mlp-ce+vtst-s1-de7a4d357a1a": ("2026-11-29", "vtst"),
    "iris-mlp-ce+temperature-s0": ("2026-11-30", "ce+temperature"),
}
"""Beginnings of run ids, with the day and the recipe that the file holds."""


@pytest.mark.parametrize("path", sorted((HISTORY / "records").glob("*.json")), ids=lambda path: path.stem)
def test_an_old_record_is_read(path: Path) -> None:
    record = read_record(path)
    assert record.run_id == path.stem
    assert record.schema == "calibench.record/2"
    assert 0 < record.metrics["nll"] < 1
    assert set(record.intervals) <= set(record.metrics)
    for start, (day, recipe) in WRITTEN.items():
        if path.stem.startswith(start):
            assert record.created[:10] == day
            assert record.recipe.partition(":")[0] == recipe


def test_each_of_them_stands_on_a_board_with_its_figure() -> None:
    records = read_records(HISTORY)
    made = boards(records, HISTORY, "nll", resample=replicates_again)
    shown = {(board.dataset, row.recipe): row.cells["nll"].mean for board in made for row in board.rows}
    assert len(records) >= len(shown) >= 3
    for record in records:
        if [other.recipe for other in records if other.dataset == record.dataset].count(record.recipe) == 1:
            assert shown[record.dataset, record.recipe] == record.metrics["nll"]
    assert "adafocal" in render(made, "markdown", ())


def test_the_entry_with_predictions_verifies() -> None:
    verified = {found.path.stem: found for found in verify(HISTORY)}
    (entry,) = (found for name, found in verified.items() if name.startswith("iris-"))
    (fault,) = entry.faults
    assert fault.startswith("it was made by another version of suite quick-v1: a1e88db79f68, here "), (
        "all else is equal"
    )
    assert entry.unseen == []
