"""The mark of a stage that still fell at its end, in new records and in those from before the mark."""

from __future__ import annotations

from typing import Any

import pytest
from example_record import example_record

from calibench.records.stage_end import stages_still_falling


def falling(entry: dict[str, Any], epochs: Any = None) -> list[str]:
    """The marked stages of a record with one trained stage, whose configuration has these epochs."""
    stages = [{"kind": "objective", "name": "ce", "params": {"epochs": epochs}}]
    return stages_still_falling(example_record(fitted=[{"stage": "ce", **entry}], config={"stages": stages}))


@pytest.mark.parametrize(
    ("entry", "epochs", "marked"),
    [
        ({"still_falling": True, "epoch": 2.0, "ended_after": 9.0}, 9, True),
        ({"still_falling": False, "epoch": 9.0, "ended_after": 9.0}, 9, False),
        ({"epoch": 20.0}, 20, True),  # before the mark: all epochs were trained
        ({"epoch": 19.0}, 20, False),
        ({"epoch": 9.0, "ended_after": 15.0}, 9, False),  # with patience, `ended_after` is the last epoch
        ({"epoch": 9.0}, None, False),  # of a refit whose epochs followed from the data
        ({"epoch": "nine"}, 9, False),
        ({"prior_precision": 1.0}, None, False),
    ],
)
def test_a_stage_is_marked(entry: dict[str, Any], epochs: Any, marked: bool) -> None:
    assert falling(entry, epochs) == (["ce"] if marked else [])


def test_a_malformed_configuration_marks_nothing() -> None:
    fitted = [{"stage": "ce", "epoch": 3.0}]
    for config in ({}, {"stages": "ce"}, {"stages": ["ce", {"name": "ce", "params": 3}]}):
        assert stages_still_falling(example_record(fitted=fitted, config=config)) == []
