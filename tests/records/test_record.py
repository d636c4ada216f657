"""The fields of a record: each is explained, survives JSON, and is refused if its type is wrong."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
from pathlib import Path
from typing import Any

import pytest
from example_record import example_record
from hypothesis import given, settings
from hypothesis import strategies as st

from calibench import InputError
from calibench.leaderboard.boards import boards
from calibench.records import field_types, schemas
from calibench.records.record import ResultRecord
from calibench.report.render import render

FIELDS = [f.name for f in dataclasses.fields(ResultRecord)]
FREE = {"config", "bootstrap", "data", "machine"}
"""Fields whose values may be of any type."""
NUMBERS = {"detectable", "mean_confidence"}
"""Fields that may hold any number."""


def test_every_field_is_followed_by_its_explanation() -> None:
    """The strings are what docs/record.md can be made of."""
    (node,) = ast.parse(inspect.getsource(ResultRecord)).body
    assert isinstance(node, ast.ClassDef)
    explained = {
        str(ast.unparse(field.target)): text.value.value
        for field, text in zip(node.body, node.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }
    assert list(explained) == FIELDS
    assert all(str(text).endswith(".") for text in explained.values())


def test_every_field_has_a_type() -> None:
    assert list(field_types._TYPES) == FIELDS


def test_a_record_survives_json_bit_for_bit() -> None:
    record = example_record()
    text = json.dumps(record.to_dict(), allow_nan=False)
    assert ResultRecord.from_dict(json.loads(text), "here") == record
    assert next(iter(record.to_dict())) == "schema"
    assert record["metrics"] == record.metrics
    assert json.loads(text)["seeds"]["stage1"] == 2**63 - 1


def test_unknown_fields_are_left_out_and_optional_ones_have_a_default() -> None:
    document = example_record().to_dict() | {"a_field_of_tomorrow": 1}
    del document["details"], document["fitted"]
    assert ResultRecord.from_dict(document, "here") == example_record(details={}, fitted=[])


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize(
    "value", [object(), 1.5, True, [1], {"a": object()}], ids=["object", "1.5", "True", "[1]", "{}"]
)
def test_a_value_of_the_wrong_type_is_refused(name: str, value: Any) -> None:
    if (name in FREE and isinstance(value, dict)) or (name in NUMBERS and value == 1.5):
        return
    with pytest.raises(InputError, match="here: "):
        ResultRecord.from_dict(example_record().to_dict() | {name: value}, "here")


@pytest.mark.parametrize("better", ["more", None, ["lower"], {}])
def test_a_unit_says_which_direction_is_better(better: Any) -> None:
    units = {"accuracy": {"unit": "fraction", "better": better}}
    with pytest.raises(InputError, match="the value of 'units' does not fit this field of a record"):
        ResultRecord.from_dict(example_record().to_dict() | {"units": units}, "here")


# --- whatever somebody else wrote -------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["accuracy", "test", "unit", "better", "file", "sha256", "mean", "notes", "shift", "seed"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(document=VALUES | st.dictionaries(st.sampled_from(FIELDS), VALUES | st.just(schemas.RECORD), max_size=4))
def test_from_dict_of_anything_raises_nothing_but_input_errors(document: Any) -> None:
    try:
        ResultRecord.from_dict(document, "here")
    except InputError as error:
        if not error.message.startswith("here: "):
            raise AssertionError(error.message) from error


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(changes=st.dictionaries(st.sampled_from([name for name in FIELDS if name != "schema"]), VALUES, max_size=3))
def test_every_record_that_from_dict_accepts_can_stand_on_a_board(changes: dict[str, Any]) -> None:
    try:
        record = ResultRecord.from_dict(example_record().to_dict() | changes, "here")
        several = boards([record, example_record(seed=1)], Path("nowhere"), "accuracy")
    except InputError:
        return
    for form in ("json", "csv", "markdown"):
        render(several, form)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("metrics", {"nll": 10**400}),
        ("timings_s", {"total": 10**400}),
        ("predictions", {"file": "a\0b", "sha256": "0"}),
        ("predictions", {"file": "\ud800", "sha256": "0"}),
        ("shift", [{"kind": "fog", "metrics": {}}]),
        ("shift", [{"shift": "fog", "metrics": {}}]),
        ("shift", [{"shift": "fog", "kind": "fog", "metrics": {"nll": "1"}}]),
        ("ood", [{"score": "energy", "metrics": {}}]),
    ],
)
def test_values_that_no_program_can_use_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"the value of '{name}'"):
        ResultRecord.from_dict(example_record().to_dict() | {name: value}, "here")


ROWS: dict[str, dict[str, Any]] = {
    "shift": {"shift": "fog", "kind": "fog", "severity": 2, "n": 9, "metrics": {}, "intervals": {}},
    "ood": {"set": "svhn", "group": None, "score": "energy", "n": 9, "metrics": {}, "intervals": {}},
    "labels": {"name": "dog", "calibrated": "no_sign", "predicted": 3.5, "observed": 4},
}
"""For each field the least that a row of it holds, and that pages and tables read."""


@pytest.mark.parametrize(("field", "key"), [(field, key) for field, row in ROWS.items() for key in row])
def test_a_row_without_a_key_that_pages_read_is_refused(field: str, key: str) -> None:
    row = ROWS[field]
    sound = ResultRecord.from_dict(example_record().to_dict() | {field: [row]}, "here")
    assert getattr(sound, field) == [row]
    for bad in ({k: v for k, v in row.items() if k != key}, row | {key: [3]}):
        with pytest.raises(InputError, match=f"the value of '{field}'"):
            ResultRecord.from_dict(example_record().to_dict() | {field: [row, bad]}, "here")


@pytest.mark.parametrize("field", ["recipe", "dataset", "model", "noise", "backend"])
def test_a_name_of_over_ten_thousand_characters_is_refused(field: str) -> None:
    text = "ce+" * 3333 + "c"
    assert len(text) == 10_000
    assert getattr(ResultRecord.from_dict(example_record().to_dict() | {field: text}, "here"), field) == text
    with pytest.raises(InputError, match=f"the value of '{field}'"):
        ResultRecord.from_dict(example_record().to_dict() | {field: text + "e"}, "here")
