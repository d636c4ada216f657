"""Scores that a map cannot take, and classes in another order; no torch is needed for any of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_document import document

from calibench.errors import InputError
from calibench.maps.calibration_map import CalibrationMap, load_map

LOGITS = np.array([[0.5, 2.0, -1.0], [3.0, 0.0, 1.0], [0.1, 0.2, 0.3], [-2.0, 1.0, 1.5]])
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


def by_hand(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits / 2.0000000000000004)
    return e / e.sum(axis=-1, keepdims=True)


def test_rows_of_every_kind_give_the_same() -> None:
    fitted = CalibrationMap(document())
    want = by_hand(LOGITS)
    for given in (LOGITS, LOGITS.tolist(), LOGITS.astype(">f8"), np.asfortranarray(LOGITS)):
        assert np.abs(fitted.probs(given) - want).max() <= 1e-15
    assert fitted.probs(LOGITS[0]).shape == (3,)
    assert fitted.probs(LOGITS[:1]).shape == (1, 3)
    assert np.abs(fitted.probs([1, 0, 2]) - by_hand(np.array([1.0, 0, 2]))).max() <= 1e-15
    before = LOGITS.copy()
    fitted.probs(LOGITS)
    assert np.array_equal(LOGITS, before)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (LOGITS[:, :2], r"shape \[4, 2\], and the map was fitted on 3 classes\n.*cat, dog, bird"),
        (np.zeros((2, 2, 3)), r"shape \[2, 2, 3\]"),
        (np.array(3.0), r"shape \[\]"),
        (np.full((2, 3), np.nan), "NaN or infinite"),
        (np.array([["a", "b", "c"]]), "type <U1"),
        ([[1.0, 2.0], [1.0]], "scores"),
        (LOGITS + 1j, "type complex128"),
        (np.zeros((0, 3)), "no rows"),
    ],
)
def test_scores_of_another_shape_or_type_are_refused(given: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CalibrationMap(document()).probs(given)


def test_probabilities_for_a_map_of_logits_are_refused_and_the_reverse() -> None:
    with pytest.raises(InputError, match="these are probabilities, and the map was fitted on logits"):
        CalibrationMap(document()).probs(PROBS)
    assert CalibrationMap(document()).probs(PROBS[:1]).shape == (1, 3), "one row may be logits by chance"
    with pytest.raises(InputError, match="outside"):
        CalibrationMap(document(scores="probs")).probs(LOGITS)
    assert np.abs(CalibrationMap(document(scores="probs")).probs(PROBS) - by_hand(LOGITS)).max() <= 1e-15


def test_classes_are_matched_by_name() -> None:
    fitted = CalibrationMap(document(stages=[vector()]))
    want = fitted.probs(LOGITS)
    order = [2, 0, 1]
    given = fitted.probs(LOGITS[:, order], class_names=["bird", "cat", "dog"])
    assert np.array_equal(given, want[:, order])
    assert not np.allclose(fitted.probs(LOGITS[:, order]), given), "the map treats classes differently"
    with pytest.raises(
        InputError, match=r"bird, cat, cow, and the map was fitted on cat, dog, bird\n.*cow, dog differ"
    ):
        fitted.probs(LOGITS, class_names=["bird", "cat", "cow"])
    with pytest.raises(InputError, match="2 class_names for 3 columns"):
        fitted.probs(LOGITS, class_names=["bird", "cat"])
    with pytest.raises(InputError, match="the map has none"):
        CalibrationMap(document(class_names=None)).probs(LOGITS, class_names=["a", "b", "c"])


def vector() -> dict[str, object]:
    (stage,) = document().stages
    return stage | {
        "name": "vector",
        "params": {"l2": None},
        "fitted": {"scale": [1.0, 2.0, 0.5], "bias": [0.0, 1.0, -1.0]},
    }


def test_mapping_by_numpy_imports_no_torch(tmp_path: Path) -> None:
    document().write(tmp_path / "map.json")
    probe = (
        "import sys, calibench\n"
        "fitted = calibench.load_map('map.json')\n"
        "assert abs(fitted.probs([[0.0, 1.0, 2.0]]).sum() - 1) < 1e-12\n"
        "print(fitted.snippet())\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    imported = {name.partition(".")[0] for name in ended.stderr.split()}
    assert not imported & {"torch", "scipy", "sklearn", "onnx", "pandas"}


def test_a_number_that_no_float_holds_is_refused(tmp_path: Path) -> None:
    """`1e999` is sound JSON, and infinite once it is read."""
    file = tmp_path / "map.json"
    CalibrationMap(document()).save(file)
    text = file.read_text()
    file.write_text(
        text.replace('"samples": ', '"samples": 1e999, "x": ', 1)
        if '"samples": ' in text
        else text[:-3] + ', "x": 1e999}'
    )
    with pytest.raises(InputError, match="a value of the map is no value of JSON"):
        load_map(file)
