"""A file that holds only the confidence of each answer has no classes: no map is fitted on it or applied to it."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from calibench.outputs.readers import standard_input

RNG = np.random.default_rng(0)
P = RNG.random(200)
YES = (RNG.random(200) < P**2).astype(int)


@pytest.fixture
def files(tmp_path, cli):
    rows = [f"{p},{y}" for p, y in zip(P, YES, strict=True)]
    (tmp_path / "binary.csv").write_text("\n".join(["p,label", *rows]))
    (tmp_path / "answers.csv").write_text("\n".join(["confidence,correct", *rows]))
    assert cli("fit", "binary.csv", "--method", "temperature", "-o", "map.json").code == 0
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "fit answers.csv -o new.json",
        "fit answers.csv --method temperature -o new.json",
        "apply map.json answers.csv -o new.json.csv",
        "evaluate answers.csv --map map.json",
        "evaluate binary.csv --fit temperature --fit-on answers.csv",
        "evaluate answers.csv --fit temperature --cross-fit 5",
        "thresholds answers.csv --target-risk .2 --fit temperature",
        "thresholds answers.csv --target-precision .9",
        "thresholds binary.csv --target-risk .2 --judge-on answers.csv",
    ],
)
def test_what_needs_all_classes_is_refused(command, files, cli):
    ran = cli(*command.split())
    assert ran.code == 2
    assert "needs the probabilities of all classes, and only the confidence of each answer is here" in ran.err
    assert not [*files.glob("new.json*")]


def test_what_needs_the_confidence_alone_is_not(files, cli):
    for command in ("thresholds answers.csv --target-risk .5", "gate answers.csv --max ece15=.9"):
        assert cli(*command.split()).code == 0


def test_a_map_is_fitted_on_standard_input(files, cli, monkeypatch):
    standard_input._copied.cache_clear()
    content = (files / "binary.csv").read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    assert cli("fit", "-", "--method", "temperature", "-o", "piped.json").code == 0
    standard_input._copied.cache_clear()
    first, piped = ((files / name).read_text() for name in ("map.json", "piped.json"))
    assert first.split('"stages"')[1].split("]")[0] == piped.split('"stages"')[1].split("]")[0]
