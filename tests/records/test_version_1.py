"""Records of version 1 are read, without their intervals of calibration errors."""

from __future__ import annotations

import pytest
from example_record import example_record
from hypothesis import given
from hypothesis import strategies as st

from calibench.errors import InputError
from calibench.records.record import ResultRecord
from calibench.records.version_1 import REASON, from_version_1

VERSION_1 = example_record(
    metrics={"nll": 1.0, "ece15": 0.1, "mce15": None, "shift_ece15_rotation": 0.2},
    intervals={"nll": [0.9, 1.1], "ece15": [0.0, 0.2], "mce15": None, "shift_ece15_rotation": [0.1, 0.3]},
    schema="calibench.record/1",
).to_dict()


def test_intervals_of_biased_figures_are_left_out_and_the_others_stay() -> None:
    document = {**VERSION_1, "bootstrap": {"bias_corrected": ["ece15", "mce15"]}}
    record = ResultRecord.from_dict(document, "here")
    assert record.intervals == {"nll": [0.9, 1.1], "ece15": None, "mce15": None, "shift_ece15_rotation": None}
    assert record.no_interval == {"ece15": REASON, "shift_ece15_rotation": REASON}
    assert record.schema == "calibench.record/2"
    assert document["intervals"] == VERSION_1["intervals"]


def test_a_record_without_a_list_of_biased_figures_is_read_as_it_is() -> None:
    record = ResultRecord.from_dict(VERSION_1, "here")
    assert record.intervals == VERSION_1["intervals"]


@given(st.fixed_dictionaries({"bootstrap": st.recursive(st.none() | st.integers() | st.text(), st.lists)}))
def test_whatever_somebody_else_wrote(bootstrap: dict[str, object]) -> None:
    listed = {"schema": "calibench.record/1", "bootstrap": {"bias_corrected": bootstrap["bootstrap"]}}
    with pytest.raises(InputError, match="the record has no"):
        ResultRecord.from_dict(listed, "here")
    from_version_1(listed | {"intervals": {"a": 1, 2: None}})
