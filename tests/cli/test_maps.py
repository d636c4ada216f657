"""`calibench fit`, `apply`, `export` and `evaluate --map`: what they print, and mistakes that leave nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def files(tmp_path: Path, samples: Any) -> Path:
    """val.npz and test.npz of over-confident logits, and map.json of temperature."""
    for name, seed in (("val", 0), ("test", 1)):
        logits, labels = samples(200, 3, seed)
        np.savez(tmp_path / f"{name}.npz", logits=logits * 2, labels=labels)
    return tmp_path


def test_fit_apply_and_evaluate(files: Path, cli: Any) -> None:
    ran = cli("fit", "val.npz", "--method", "temperature+threshold:value=0.6", "-o", "map.json")
    assert ran.code == 0, ran.err
    assert "map.json: temperature+threshold:value=0.6, fitted on 200 samples of logits of 3 classes" in ran.out
    ran = cli("apply", "map.json", "test.npz", "-o", "out.npz")
    assert ran.code == 0, ran.err
    assert "out.npz: 200 samples mapped by temperature+threshold:value=0.6" in ran.out
    summary = cli("apply", "map.json", "test.npz", "-o", "out.csv", "--json").document
    assert summary["rows"] == 200
    assert f"the rule abstains on {summary['abstained']} of them" in ran.out
    by_fit = cli(
        "evaluate", "test.npz", "--fit", "temperature+threshold:value=0.6", "--fit-on", "val.npz", "--json"
    ).document
    by_map = cli("evaluate", "test.npz", "--map", "map.json", "--json").document
    assert by_map["after"] == by_fit["after"]
    assert by_map["fit"] == {"recipe": "temperature+threshold:value=0.6", "fitted": "earlier"}
    judged = cli("evaluate", "out.npz", "--json").document
    assert judged["metrics"]["ece15"] == pytest.approx(by_fit["after"]["metrics"]["ece15"], abs=1e-12)
    assert cli("evaluate", "test.npz", "--map", "map.json").code == 0
    assert cli("fit", "val.npz", "--method", "temperature", "-o", "map.json", "-q").out == ""
    assert cli("apply", "map.json", "test.npz", "-o", "out.npz", "-q").out == ""


def test_shares_of_people_follow_the_classes_into_the_order_of_the_map(files: Path, cli: Any) -> None:
    stored, order, names = np.load(files / "test.npz"), [2, 0, 1], np.array(["a", "b", "c"])
    given = {name: array[: len(stored["labels"])] for name, array in stored.items()}
    shares = np.eye(3)[given["labels"]] * 0.7 + 0.1
    np.savez(files / "named.npz", **np.load(files / "val.npz"), class_names=names)
    np.savez(files / "straight.npz", **given, class_names=names, shares=shares)
    moved = {"logits": given["logits"][:, order], "labels": np.argsort(order)[given["labels"]]}
    np.savez(files / "moved.npz", **moved, class_names=names[order], shares=shares[:, order])
    assert cli("fit", "named.npz", "--method", "vector", "-o", "map.json", "-q").code == 0
    found = [
        cli("evaluate", file, "--map", "map.json", "--soft", "shares", "--resamples", "0", "--json").document
        for file in ("straight.npz", "moved.npz")
    ]
    assert found[1]["after"]["metrics"] == pytest.approx(found[0]["after"]["metrics"], rel=1e-9)


def test_export(files: Path, cli: Any) -> None:
    assert cli("fit", "val.npz", "--method", "temperature", "-o", "map.json", "-q").code == 0
    ran = cli("export", "map.json", "--snippet", "--onnx", "map.onnx")
    assert ran.code == 0, ran.err
    names: dict[str, Any] = {}
    exec(ran.out, names)
    logits = np.load(files / "test.npz")["logits"]
    import onnxruntime

    session = onnxruntime.InferenceSession((files / "map.onnx").read_bytes(), providers=["CPUExecutionProvider"])
    assert np.abs(session.run(None, {"scores": logits})[0] - names["calibrate"](logits)).max() <= 1e-6
    assert "wrote map.onnx" in ran.err


@pytest.mark.usefixtures("files")
def test_mistakes_leave_nothing_behind(cli: Any, refused: Any, tmp_path: Path) -> None:
    refused("fit", "val.npz", says="Missing option '-o'")
    refused("fit", "none.npz", "-o", "map.json", says="none.npz")
    refused("fit", "val.npz", "--method", "temprature", "-o", "map.json", says="temprature", hint="did you mean")
    refused("fit", "val.npz", "--method", "temperature", "-o", "none/map.json", says="there is no folder")
    assert cli("fit", "val.npz", "--method", "temperature", "-o", "map.json", "-q").code == 0
    refused("apply", "val.npz", "test.npz", "-o", "out.npz", says="this is not JSON")
    refused("apply", "map.json", "test.npz", "-o", "out.xlsx", says="cannot write", hint=".npz")
    refused("apply", "map.json", "test.npz", "-o", "test.npz", says="is the file that is read")
    refused("export", "map.json", says="no form to export to", hint="--snippet")
    refused("evaluate", "val.npz", "--map", "map.json", says="was fitted on val.npz", hint="another file")
    refused("evaluate", "test.npz", "--map", "map.json", "--fit", "auto", says="a map is fitted already")
    refused("evaluate", "test.npz", "--map", "map.json", "--stream", says="--map does not go with --stream")
    text = (tmp_path / "map.json").read_text()
    (tmp_path / "map.json").write_text(text.replace('"seed": 0', '"seed": 1'))
    refused("apply", "map.json", "test.npz", "-o", "out.npz", says="was changed after it was written")


def test_a_file_that_is_read_is_never_written(files: Path, cli: Any) -> None:
    np.save(files / "y.npy", np.load(files / "val.npz")["labels"])
    assert cli("fit", "val.npz", "--method", "temperature", "-o", "map.json", "-q").code == 0
    (files / "map.npz").write_bytes((files / "map.json").read_bytes())
    before = {path: path.read_bytes() for path in files.iterdir()}
    for arguments in (
        ("fit", "val.npz", "--method", "temperature", "-o", "val.npz"),
        ("fit", "val.npz", "--labels", "y.npy", "--method", "temperature", "-o", "y.npy"),
        ("export", "map.json", "--onnx", "./map.json"),
        ("apply", "map.npz", "test.npz", "-o", "map.npz"),
        ("apply", "map.json", "test.npz", "-o", "test.npz"),
        ("gate", "test.npz", "--max", "ece15=0.5", "--junit", "test.npz"),
        ("gate", "test.npz", "--max", "ece15=0.5", "--baseline", "val.npz", "--no-worse", "--junit", "val.npz"),
        ("gate", "test.npz", "--fit", "temperature", "--fit-on", "val.npz", "--max", "ece15=0.5", "--junit", "val.npz"),
    ):
        ran = cli(*arguments)
        assert ran.code == 2, arguments
        assert "is the file that is read" in ran.err
        assert {path: path.read_bytes() for path in files.iterdir()} == before


def test_without_a_map_that_helps_the_exit_code_is_1(tmp_path: Path, refused: Any) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(300, 3))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.savez(tmp_path / "val.npz", logits=logits, labels=[rng.choice(3, p=row) for row in p])
    refused("fit", "val.npz", "-o", "map.json", says="no map helps", hint="--method", code=1)


def test_onnx_that_is_not_installed_is_named(
    files: Path, cli: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    assert cli("fit", "val.npz", "--method", "temperature", "-o", "map.json", "-q").code == 0
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "onnx" else find(name, *rest))
    refused(
        "export", "map.json", "--onnx", "map.onnx", says="needs the package onnx", hint='pip install "calibench[onnx]"'
    )
