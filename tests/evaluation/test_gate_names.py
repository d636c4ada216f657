"""A gate and class names: rules know the classes, and the columns of files beside arrays are matched by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import calibench
from calibench.errors import InputError


def named_tables(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """`val.csv` and `test.csv` of three classes, both also with the columns in another order; probabilities and words of test."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(1600, 3)) * 2
    truth = np.exp(z * [1.0, 2.0, 0.5])
    y = np.array([rng.choice(3, p=row) for row in truth / truth.sum(axis=1, keepdims=True)])
    p, words = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), np.array(["a", "b", "c"])[y]
    for name, rows in (("val", slice(800)), ("test", slice(800, 1600))):
        for order in ([0, 1, 2], [2, 0, 1]):
            head = ",".join(f"prob_{'abc'[place]}" for place in order)
            lines = [
                f"{','.join(map(repr, row.tolist()))},{word}"
                for row, word in zip(p[rows][:, order], words[rows], strict=True)
            ]
            file = folder / f"{name}{'' if order[0] == 0 else '_moved'}.csv"
            file.write_text("\n".join([f"{head},label", *lines]) + "\n")
    return p[800:], words[800:]


def test_a_rule_of_a_gate_knows_the_classes_by_name(tmp_path, cli):
    p, words = named_tables(tmp_path)
    fit = {
        "fit": "threshold:target_precision=0.5,positive=b",
        "fit_on": tmp_path / "val.csv",
        "min": {"coverage": 0.05},
    }
    of_file = calibench.gate(file=tmp_path / "test.csv", **fit)
    of_arrays = calibench.gate(probs=p, labels=words, class_names=["a", "b", "c"], **fit)
    assert of_file.checks[0].value == pytest.approx(of_arrays.checks[0].value)
    args = [
        "gate",
        tmp_path / "test.csv",
        "--fit",
        fit["fit"],
        "--fit-on",
        tmp_path / "val.csv",
        "--min",
        "coverage=.05",
    ]
    assert cli(*args).code == 0


def test_files_beside_arrays_are_matched_by_name(tmp_path):
    p, words = named_tables(tmp_path)
    given = {"probs": p, "labels": words, "class_names": ["a", "b", "c"]}
    straight = calibench.gate(**given, fit="vector", fit_on=tmp_path / "val.csv", max={"nll": 0.9})
    moved = calibench.gate(**given, fit="vector", fit_on=tmp_path / "val_moved.csv", max={"nll": 0.9})
    assert moved.checks[0].value == pytest.approx(straight.checks[0].value, rel=1e-6)
    compared = calibench.gate(**given, baseline=tmp_path / "test_moved.csv", no_worse=True)
    assert compared.checks[0].value == pytest.approx(compared.checks[0].baseline)
    with pytest.raises(InputError, match="x, y, z"):
        calibench.gate(probs=p, labels=words, class_names=["a", "b", "c"], baseline=renamed(tmp_path), no_worse=True)


def test_names_beside_a_file_name_its_columns(tmp_path):
    named_tables(tmp_path)
    file = renamed(tmp_path)
    with pytest.raises(InputError, match="label is 'a'"):
        calibench.gate(file=file, max={"brier": 0.9})
    assert calibench.gate(file=file, class_names=["a", "b", "c"], max={"brier": 0.9}).passed


def renamed(folder: Path) -> Path:
    """`test.csv` with columns of other names."""
    text = (folder / "test.csv").read_text().replace("prob_a,prob_b,prob_c", "prob_x,prob_y,prob_z")
    (folder / "renamed.csv").write_text(text)
    return folder / "renamed.csv"
