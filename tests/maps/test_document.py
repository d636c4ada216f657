"""The JSON document: what a reader accepts, and every way in which a file can be wrong."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from calibench.errors import InputError
from calibench.maps.calibration_map import CalibrationMap, load_map
from calibench.maps.document import MapDocument, checksum, read_document
from calibench.records.environment import versions


def document(**changes: Any) -> MapDocument:
    """The map of temperature 2 on three classes, as `calibench fit` writes it but for its check rows."""
    fields: dict[str, Any] = {
        "recipe": "temperature",
        "stages": [
            {
                "name": "temperature",
                "kind": "calibrator",
                "plugin": {"distribution": "calibench", "version": versions()["calibench"]},
                "params": {},
                "fitted": {"temperature": 2.0000000000000004},
            }
        ],
        "classes": 3,
        "labels_per_sample": 1,
        "class_names": ["cat", "dog", "bird"],
        "scores": "logits",
        "fitted_on": {"rows": 10},
        "seed": 0,
        "random_state": None,
        "check": None,
        "files": {},
        "versions": versions(),
    }
    return MapDocument(**(fields | changes))


def stored(folder: Path, sign: bool = True, drop: str = "", **changes: Any) -> Path:
    """A map file with fields changed; its checksum fits unless not `sign`."""
    content = document().to_dict() | changes
    content.pop(drop, None)
    if sign:
        content["sha256"] = checksum(content)
    path = folder / "map.json"
    path.write_text(json.dumps(content))
    return path


def test_a_written_map_reads_back_to_the_last_digit(tmp_path: Path) -> None:
    document().write(tmp_path / "map.json")
    assert read_document(tmp_path / "map.json") == document()
    (stage,) = read_document(tmp_path / "map.json").stages
    assert stage["fitted"]["temperature"] == 2.0000000000000004
    assert list(tmp_path.iterdir()) == [tmp_path / "map.json"]
    with pytest.raises(InputError, match="there is no folder"):
        document().write(tmp_path / "none" / "map.json")


def test_the_checksum_is_the_one_that_the_page_describes(tmp_path: Path) -> None:
    document().write(tmp_path / "map.json")
    content = json.loads((tmp_path / "map.json").read_text())
    given = content.pop("sha256")
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode("ascii")).hexdigest() == given


def test_the_page_explains_every_field() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "map.md").read_text()
    for name in document().to_dict():
        assert f"| `{name}` |" in page, name


def test_a_map_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path)
    assert load_map(path).probs([0.0, 2.0, 0.0]).argmax() == 1
    path.write_text(path.read_text().replace("2.0000000000000004", "1.5"))
    with pytest.raises(InputError, match=r"map\.json: the map was changed after it was written"):
        load_map(path)
    with pytest.raises(InputError, match="was changed"):
        load_map(stored(tmp_path, sign=False, classes=4))
    with pytest.raises(InputError, match="was changed"):
        load_map(stored(tmp_path, sign=False, drop="sha256"))


def test_another_schema_version_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"schema version 2, and this calibench reads version 1\n.*calibench 0"):
        load_map(stored(tmp_path, schema_version=2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "this is not JSON"),
        ("{", "this is not JSON"),
        ("[" * 100_000, "this is not JSON"),
        ('{"schema": NaN}', "this is not JSON .*NaN"),
        ("[]", "no calibration map"),
        ("null", "no calibration map"),
        ('{"schema": "calibench.record"}', "no calibration map"),
        ('{"schema": "calibench.map"}', "schema version None"),
        ('{"schema": "calibench.map", "schema_version": 1}', "was changed"),
    ],
)
def test_what_is_no_map_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text(text)
    with pytest.raises(InputError, match=message):
        load_map(tmp_path / "map.json")


def test_bytes_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="this is not JSON"):
        load_map(tmp_path / "map.json")
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(InputError, match="there is no such file"):
            load_map(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drop": "classes"}, "the field 'classes' is missing"),
        ({"clases": 3}, "no field 'clases'\ndid you mean 'classes'"),
        ({"classes": "3"}, "'classes' is a str"),
        ({"classes": True}, "'classes' is a bool"),
        ({"classes": 1}, "'classes' holds"),
        ({"classes": 1_000_001, "class_names": None}, "'classes' is over 1000000, the most that a map has"),
        ({"classes": 2, "labels_per_sample": 2**53, "class_names": None}, "'labels_per_sample' is over 1000000"),
        ({"scores": "odds"}, "'scores' holds"),
        ({"seed": -1}, "'seed' holds"),
        ({"class_names": ["a", "b"]}, "'class_names' holds"),
        ({"class_names": ["a", "b", "b"]}, "'class_names' holds"),
        ({"class_names": ["a", "b", 3]}, "'class_names' holds"),
        ({"stages": []}, "'stages' holds"),
        ({"stages": [{"name": "temperature"}]}, "'stages' holds"),
        ({"stages": ["temperature"]}, "'stages' holds"),
        ({"files": {"a": 1}}, "'files' holds"),
        ({"files": {"../escape": "x"}}, "'../escape' is no name of a file"),
        ({"files": {"/etc/x": "x"}}, "is no name of a file"),
        ({"versions": {"calibench": 1}}, "'versions' holds"),
        ({"check": 3}, "'check' is a int"),
    ],
)
def test_fields_that_no_map_has_are_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        load_map(stored(tmp_path, **changes))
    assert not (tmp_path.parent / "escape").exists()


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ({"name": "temprature"}, "needs the method 'temprature' of calibench"),
        ({"name": "ce"}, "needs the calibrator 'ce'"),
        ({"kind": "decision"}, "needs the decision 'temperature'"),
        (
            {"plugin": {"distribution": "other", "version": "3"}},
            "of other 3, and here it is of plugin 'calibench-methods'",
        ),
        ({"params": {"speed": 3}}, "has no parameter 'speed'"),
    ],
)
def test_methods_that_are_not_here_are_refused_by_name(stage: dict[str, Any], message: str, tmp_path: Path) -> None:
    (given,) = document().stages
    with pytest.raises(InputError, match=message):
        load_map(stored(tmp_path, stages=[given | stage]))


def test_a_hostile_value_ends_in_an_error_with_a_name(tmp_path: Path) -> None:
    from calibench.errors import RunError

    (given,) = document().stages
    for value in ("2", None, [1, 2], {}):
        path = stored(tmp_path, stages=[given | {"fitted": {"temperature": value}}])
        with pytest.raises(RunError, match="temperature"):
            load_map(path).probs([[0.0, 1.0, 2.0]])


def test_a_recipe_and_names_cannot_put_code_into_the_snippet() -> None:
    import numpy as np

    attack = 'x"""\nraise SystemExit\n"""'
    text = CalibrationMap(document(recipe=attack, class_names=["cat\nraise SystemExit", "b", "c"])).snippet()
    names: dict[str, Any] = {}
    exec(compile(text, "snippet", "exec"), names)
    assert np.allclose(names["calibrate"]([[2.0, 0.0, 0.0]]).sum(), 1)
