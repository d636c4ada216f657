"""The calibrator `halve` of docs/reference/plugins.md: in a copy of calibench's methods, its one file is all that it takes."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "reference" / "plugins.md"
LINES = 25


def diff_of_the_guide() -> tuple[str, list[str]]:
    """The path and the lines of the one new file."""
    (diff,) = re.findall(r"```diff\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    old, new, hunk, *lines = diff.splitlines()
    assert old == "--- /dev/null"
    assert hunk == f"@@ -0,0 +1,{len(lines)} @@"
    assert all(line.startswith("+") for line in lines)
    return new.removeprefix("+++ b/"), [line[1:] for line in lines]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of calibench's methods with the diff applied."""
    path, lines = diff_of_the_guide()
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "plugins" / "calibench_methods", tmp_path / "plugins" / "calibench_methods", ignore=ignore)
    (tmp_path / path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def python(copy: Path, *words: object, cwd: Path | None = None) -> str:
    """The standard output of Python, which imports calibench's methods from the copy."""
    paths = [str(copy / "plugins"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONWARNINGS": ""}
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, cwd=cwd or copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_one_file_of_25_lines() -> None:
    path, lines = diff_of_the_guide()
    assert path == "plugins/calibench_methods/calibrators/halve.py"
    assert not (ROOT / path).exists()
    assert len(lines) <= LINES


@pytest.mark.slow
def test_it_is_listed_shown_and_used(copy: Path) -> None:
    command = ("-m", "calibench")
    names = [item["name"] for item in json.loads(python(copy, *command, "list", "methods", "--json"))["items"]]
    assert names.count("halve") == 1
    assert "p = softmax(z / 2)" in python(copy, *command, "show", "method", "halve")
    settings = ("--epochs", 1, "--model", "mlp:hidden=8", "--results", copy / "results", "--quiet", "--json")
    record = json.loads(python(copy, *command, "run", "-m", "ce+halve", *settings))
    assert record["recipe"] == "ce:epochs=1+halve"
    assert record["fitted"][-1] == {"stage": "halve", "factor": 0.5}


@pytest.mark.slow
def test_it_keeps_the_contract_of_every_method(copy: Path) -> None:
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "halve")
    told = python(copy, "-m", "pytest", *options, ROOT / "tests" / "methods" / "test_contract.py", cwd=ROOT)
    passed = re.search(r"(\d+) passed", told)
    assert passed is not None
    assert int(passed[1]) >= 3


def test_it_passes_the_lint(copy: Path) -> None:
    if importlib.util.find_spec("ruff") is None:
        pytest.skip("ruff is not installed")
    path, _ = diff_of_the_guide()
    for words in (("check",), ("format", "--check")):
        python(copy, "-m", "ruff", *words, "--no-cache", "--config", ROOT / "pyproject.toml", copy / path)
