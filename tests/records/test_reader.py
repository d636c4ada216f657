"""A reader of many records returns and refuses what reading each file by itself does, in every layout and with any damage."""

from __future__ import annotations

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


@pytest.mark.parametrize("values", [(1, 2, 1), (1, 2), (2, 1, 1), (1, 1)])
def test_of_a_field_that_stands_twice_both_readers_take_the_same(values: tuple[int, ...], tmp_path: Path) -> None:
    """Equal lines too: a board would show the figures of one, and `verify` would compute those of the other."""
    text = json.dumps({name: value for name, value in FIRST.items() if name != "metrics"}, indent=1)
    lines = "".join(f',\n "metrics": {{"nll": {value}.5}}' for value in values)
    (tmp_path / "a.json").write_text(text.removesuffix("\n}") + lines + "\n}\n")
    assert RecordReader().read(tmp_path / "a.json") == read_record(tmp_path / "a.json")
