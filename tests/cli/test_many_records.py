"""`calibench leaderboard` of some hundred records imports no torch and takes little memory for each of them."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from imported_modules import imported_modules
from many_records import write_runs

from calibench.leaderboard.boards import boards
from calibench.records.store import read_records

METHODS, SEEDS = 30, 10
BYTES_A_RECORD = 25_000
"""A record of 8 KB of JSON takes 17 KB, since it shares what it has in common with the record before; alone it takes 28."""

BYTES_OF_A_BOARD = 6_000_000
"""Beyond its records: some tables of 30 rows x 1 000 replicates, 240 KB each. All pairs of rows would be 3.5 MB a table."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A results folder of 300 runs, 34 MB."""
    folder = tmp_path_factory.mktemp("many")
    write_runs(folder, methods=METHODS, datasets=1, seeds=SEEDS)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
def test_no_torch_is_imported(results: Path) -> None:
    modules = imported_modules(("leaderboard", "--results", str(results)))
    assert not {"torch", "scipy", "sklearn", "pandas"} & {name.partition(".")[0] for name in modules}


@pytest.mark.slow
def test_memory_is_bounded(results: Path) -> None:
    boards(read_records(results)[:SEEDS], results)  # imports what it needs
    tracemalloc.start()
    try:
        records = read_records(results)
        held, peak_of_reading = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        (board,) = boards(records, results)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(records) == METHODS * SEEDS
    assert len(board.rows) == METHODS
    assert all(row.rank is not None and row.change is not None for row in board.rows if row.recipe != board.base)
    assert peak_of_reading <= BYTES_A_RECORD * len(records)
    assert peak - held <= BYTES_OF_A_BOARD
