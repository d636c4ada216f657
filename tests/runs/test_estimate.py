"""The time of missing runs: means of stored ones that resemble them most."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from calibench.config.suite import read_suite
from calibench.records.store import read_records
from calibench.runs.options import RunOptions
from calibench.runs.sweeps.cells import cells_of
from calibench.runs.sweeps.estimate import estimated_seconds

SUITE = """
primary = "brier"
base = "ce"
method = ["ce", "vtst"]
seed = [0, 1]
data = [{dataset = "digits"}, {dataset = "wine"}]
"""


def stored(recipe: str, dataset: str, seconds: float):
    record = read_records(Path(__file__).parents[2] / "leaderboards" / "digits")[0]
    return dataclasses.replace(record, recipe=recipe, dataset=dataset, timings_s={"stage1": 100.0, "total": seconds})


def test_the_nearest_stored_runs_tell() -> None:
    cells = cells_of(read_suite(SUITE, "a").configs(), RunOptions(), 1)
    records = [
        stored("ce", "digits", 4.0),
        stored("ce", "digits", 2.0),
        stored("ce", "iris", 9.0),
        stored("tst", "wine", 1.0),
    ]
    ce = {"digits": (4 + 2) / 2, "wine": (4 + 2 + 9) / 3}
    vtst = {"digits": (4 + 2) / 2, "wine": 1.0}  # no run of vtst: those on its data
    expected = 2 * (ce["digits"] + ce["wine"] + vtst["digits"] + vtst["wine"])
    assert estimated_seconds(cells, records) == pytest.approx(expected)


def test_nothing_stored_tells_nothing() -> None:
    cells = cells_of(read_suite(SUITE, "a").configs(), RunOptions(), 1)
    assert estimated_seconds(cells, []) is None
    assert estimated_seconds(cells, [dataclasses.replace(stored("ce", "digits", 1.0), timings_s={})]) is None
    assert estimated_seconds([], [stored("ce", "digits", 1.0)]) == 0
