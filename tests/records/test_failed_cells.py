"""Failed cells on disk: those of sweeps and of `failed.json`, and which of them have a record by now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calibench import InputError
from calibench.atomic import write_json
from calibench.records.failed_cells import (
    FILE,
    FailedCell,
    read_failed,
    read_failed_file,
    without_record,
    write_failed_file,
)
from calibench.runs.sweeps.state import SweepState

CELL = FailedCell("ce", "wine", "mlp", None, 1, "the loss is NaN", "a smaller step", "quick-v1", "ab")


def test_written_cells_are_read_again_in_a_fixed_order(tmp_path: Path) -> None:
    others = [
        FailedCell("ce", "wine", "mlp", "symmetric:rate=0.3", 0, "x"),
        FailedCell("ce", "iris", "mlp", None, 0, "y"),
    ]
    write_failed_file(tmp_path / FILE, [CELL, *others])
    first = (tmp_path / FILE).read_bytes()
    write_failed_file(tmp_path / FILE, [*others, CELL])
    assert (tmp_path / FILE).read_bytes() == first
    assert set(read_failed_file(tmp_path / FILE)) == {CELL, *others}
    write_failed_file(tmp_path / FILE, [])
    assert not (tmp_path / FILE).exists()
    write_failed_file(tmp_path / FILE, [])


def test_the_cells_of_a_sweep_are_those_that_it_remembers(tmp_path: Path) -> None:
    state = SweepState.read(tmp_path, "quick-v1")
    about = {"recipe": "ce", "dataset": "wine", "model": "mlp", "noise": None, "seed": 1}
    state.add_failed("key", about, CELL.message, CELL.hint)
    state.write()
    (tmp_path / "sweeps" / "damaged.json").write_text("{")
    (tmp_path / "sweeps" / "other.json").write_text("[]")
    (found,) = read_failed(tmp_path)
    assert found == FailedCell("ce", "wine", "mlp", None, 1, CELL.message, CELL.hint, "quick-v1", None)
    write_failed_file(tmp_path / FILE, [CELL])
    assert read_failed(tmp_path) == [CELL, found]
    assert without_record([CELL, found], []) == [found]


@pytest.mark.parametrize(
    "change",
    [{"seed": True}, {"seed": "1"}, {"noise": 3}, {"message": None}, {"recipe": 1}, {"suite": []}, {"hint": 1}],
    ids=str,
)
def test_a_cell_that_is_none_is_named(change: dict[str, Any], tmp_path: Path) -> None:
    write_failed_file(tmp_path / FILE, [CELL, FailedCell("vtst", "wine", "mlp", None, 1, "m")])
    document = json.loads((tmp_path / FILE).read_text())
    document["cells"][1].update(change)
    write_json(tmp_path / FILE, document)
    with pytest.raises(InputError, match="cell 2 needs recipe, dataset, model, noise, seed and message"):
        read_failed(tmp_path)
    del document["cells"][0]["noise"]
    write_json(tmp_path / FILE, document)
    with pytest.raises(InputError, match="cell 1 needs"):
        read_failed(tmp_path)


@pytest.mark.parametrize("text", ['{"schema": "calibench.failed/2", "cells": []}', '{"cells": 1}', "[]", "null", "{"])
def test_another_document_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InputError, match=r"failed\.json"):
        read_failed(tmp_path)
