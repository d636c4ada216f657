"""Thirty recipes and three evaluations give the records in `tests/figures/expected.json`, to the last bit.

A change that is meant to change figures writes the file anew, and says in the CHANGELOG which figures change.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

FIGURES = Path(__file__).parent / "figures"
HINT = "if that is meant: python tests/figures/figures.py > tests/figures/expected.json"


def compare():
    spec = importlib.util.spec_from_file_location("compare", FIGURES / "compare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_thirty_recipes_have_the_expected_records(tmp_path):
    expected = json.loads((FIGURES / "expected.json").read_text())
    done = subprocess.run(
        [sys.executable, FIGURES / "figures.py"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    actual = json.loads(done.stdout)
    if actual["probe"] != expected["probe"]:
        pytest.skip(
            "this machine rounds differently from the one of expected.json: make figures BASE=REV compares two trees"
        )
    lines = compare().differences(expected["figures"], actual["figures"])
    assert not lines, "\n".join([*lines, HINT])
    assert sum(name.startswith("run ") for name in actual["figures"]) >= 30


def test_a_difference_is_named_with_the_figure_that_changed():
    before = {
        "run ce": {"run_id": "a", "metrics.nll": 0.5, "digest of n": "1"},
        "run tst": {"run_id": "b", "metrics.nll": 0.4, "digest of n": "2"},
    }
    after = {
        "run ce": {"run_id": "a", "metrics.nll": 0.5000000001, "digest of n": "3"},
        "run tst": {**before["run tst"], "digest of n": "4"},
    }
    assert compare().differences(before, after) == ["run ce: metrics.nll 0.5 -> 0.5000000001; n", "run tst: n"]
    assert compare().differences(before, before) == []
    more = {**before, "run ce": {**before["run ce"], "metrics.new": 1.0}}
    assert compare().differences(before, more) == []
    assert compare().differences(more, before) == ["run ce: metrics.new 1.0 -> None"]
    assert compare().differences(before, {"run ce": before["run ce"]}) == ["run tst: only in the base"]
