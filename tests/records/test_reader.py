"""A reader of many records returns and refuses what reading each file by itself does, in every layout and with any damage."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from example_record import example_record
from hypothesis import given, settings
from hypothesis import strategies as st

from calibench import InputError
from calibench.atomic import write_json
from calibench.records.reader import RecordReader
from calibench.records.record import ResultRecord
from calibench.records.store import read_record

FIRST = example_record().to_dict()
SECOND = example_record(run_id="toy-mlp-ce-s1-abc", seed=1, metrics={"nll": 0.5}).to_dict()

LAYOUTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "as written": lambda document: json.dumps(document, indent=1, ensure_ascii=False) + "\n",
    "without the last line break": lambda document: json.dumps(document, indent=1),
    "one line": json.dumps,
    "no indent": lambda document: json.dumps(document, indent=0) + "\n",
    "wide indent": lambda document: json.dumps(document, indent=4) + "\n",
    "sorted": lambda document: json.dumps(document, indent=1, sort_keys=True) + "\n",
    "line breaks of Windows": lambda document: json.dumps(document, indent=1).replace("\n", "\r\n") + "\r\n",
    "unknown fields": lambda document: json.dumps({**document, 'a "b': 1, "": {"c": 2}, "d": [3]}, indent=1) + "\n",
    "a field twice": lambda document: json.dumps(document, indent=1).replace("{\n", '{\n "seed": "x",\n', 1) + "\n",
    "version 1": lambda document: json.dumps({**document, "schema": "calibench.record/1"}, indent=1) + "\n",
}


def outcome(read: Callable[[Path], ResultRecord], path: Path) -> ResultRecord | tuple[str, str]:
    """The record, or the message and the hint of the refusal."""
    try:
        return read(path)
    except InputError as error:
        return error.message, error.hint


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("between", ["as written", "one line"])
def test_every_layout_is_read_as_by_itself(layout: str, between: str, tmp_path: Path) -> None:
    reader = RecordReader()
    for number, (form, document) in enumerate(((between, FIRST), (layout, SECOND), (between, SECOND), (layout, FIRST))):
        file = tmp_path / f"{number}.json"
        file.write_bytes(LAYOUTS[form](document).encode())
        assert reader.read(file) == read_record(file)


def test_equal_fields_share_their_value(tmp_path: Path) -> None:
    reader = RecordReader()
    for name, document in (("a", FIRST), ("b", SECOND)):
        write_json(tmp_path / f"{name}.json", document)
    first, second = (reader.read(tmp_path / f"{name}.json") for name in "ab")
    assert second.units is first.units
    assert second.config is first.config
    assert (first.seed, second.seed) == (0, 1)
    assert second.metrics == {"nll": 0.5} != first.metrics


TEXT = LAYOUTS["as written"](SECOND).encode()
PIECES = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b":",
    b",",
    b" ",
    b"\n",
    b'\n "',
    b"\r",
    b"\\",
    b"\0",
    b"\xff",
    b"NaN",
    b"1",
    b"true",
]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    place=st.integers(0, len(TEXT)),
    removed=st.integers(0, 60),
    piece=st.sampled_from([b"", *PIECES]) | st.binary(max_size=4),
    again=st.booleans(),
)
def test_damage_is_refused_as_by_itself(
    tmp_path_factory: pytest.TempPathFactory, place: int, removed: int, piece: bytes, again: bool
) -> None:
    """The file before is whole, or damaged in the same way: then nothing of it may be taken for checked."""
    folder = tmp_path_factory.getbasetemp() / "damage"
    folder.mkdir(exist_ok=True)
    good, bad = folder / "good.json", folder / "bad.json"
    good.write_bytes(TEXT)
    bad.write_bytes(TEXT[:place] + piece + TEXT[place + removed :])
    reader = RecordReader()
    reader.read(good)
    if again:
        outcome(reader.read, bad)
    assert outcome(reader.read, bad) == outcome(read_record, bad)


@pytest.mark.parametrize(
    ("name", "value"), [("seed", True), ("n", {"test": True}), ("metrics", {"nll": "1"}), ("units", {"nll": {}})]
)
def test_a_value_that_only_equals_one_before_is_checked(name: str, value: Any, tmp_path: Path) -> None:
    """True equals 1."""
    write_json(tmp_path / "a.json", {**FIRST, "seed": 1, "n": {"test": 1}})
    write_json(tmp_path / "b.json", {**FIRST, "seed": 1, "n": {"test": 1}, name: value})
    reader = RecordReader()
    reader.read(tmp_path / "a.json")
    for _ in range(2):
        with pytest.raises(InputError, match=f"the value of '{name}' does not fit"):
            reader.read(tmp_path / "b.json")


LEFT_OUT = ("curves", "details")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_fields_left_out_have_their_default_in_every_layout(layout: str, tmp_path: Path) -> None:
    curves = [{"stage": "ce", "epochs": [1, 2], "train_loss": [2.0, 1.0]}]
    reader = RecordReader(LEFT_OUT)
    for number in range(2):
        file = tmp_path / f"{number}.json"
        file.write_bytes(LAYOUTS[layout]({**FIRST, "curves": curves, "details": {"ce": {"k": "[{"}}}).encode())
        assert reader.read(file) == dataclasses.replace(read_record(file), curves=[], details={})


FORGED = [
    ' "curves": {\n "metrics": {"nll": 0.0},\n "details": 1\n },\n',
    ' "curves": {"a": {},\n "metrics": {"nll": 0.0},\n "details": {"b": 1}\n },\n',
    ' "curves": {"a": "}",\n "metrics": {"nll": 0.0},\n "details": "{"\n },\n',
    ' "curves": {"a": "\\"}",\n "metrics": {"nll": 0.0},\n "details": "{\\""\n },\n',
    ' "curves": [\n "metrics", {"nll": 0.0},\n "details", []\n ],\n',
]


@pytest.mark.parametrize("text", FORGED)
def test_what_stands_within_a_field_left_out_is_no_field_of_the_record(text: str, tmp_path: Path) -> None:
    """Its lines may look as those of fields do. The figures are those that `verify` reads."""
    document = {name: value for name, value in SECOND.items() if name not in LEFT_OUT}
    whole = json.dumps(document, indent=1).replace("{\n", "{\n" + text, 1).removesuffix("\n}") + "\n}\n"
    (tmp_path / "a.json").write_text(whole)
    assert json.loads(whole)["metrics"] == {"nll": 0.5}
    last = whole.replace(text, "").removesuffix("\n}\n") + ",\n" + text.rstrip(",\n") + "\n}\n"
    (tmp_path / "b.json").write_text(last)
    for name in "ab":
        assert RecordReader(LEFT_OUT).read(tmp_path / f"{name}.json").metrics == {"nll": 0.5}
