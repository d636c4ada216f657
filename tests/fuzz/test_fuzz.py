"""Each fuzz harness for a short while, in a process of its own; `.ci/run` runs them for 30 seconds: `make fuzz`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parent / "fuzz.py"
SECONDS = "0.1"
"""Every file of the corpus, and a few inputs more."""


@pytest.mark.slow
def test_no_reader_and_no_operator_ends_otherwise_than_it_should(tmp_path):
    command = [sys.executable, str(FUZZ), "--seconds", SECONDS, "--jobs", "2", "--keep", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = ended.stdout.splitlines()
    assert len(lines) == 9
    assert all(" 0 findings, " in line for line in lines), ended.stdout


def test_a_finding_is_told_with_its_input(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(FUZZ.parent))
    import random

    import fuzz
    import harnesses

    def broken(file):
        if b"cat" not in file.read_bytes():
            raise IndexError("no cat")

    monkeypatch.setitem(harnesses.HARNESSES, "csv", harnesses.Harness("csv", ".csv", (broken,)))
    count, findings = fuzz.fuzz_reader("csv", 0.1, random.Random(0), tmp_path)
    assert count >= 5
    ((finding, file),) = findings.items()
    assert finding.startswith("IndexError: 'no cat' at ")
    assert b"cat" not in file.read_bytes()


def test_a_harness_that_fails_in_its_own_process_fails_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(FUZZ.parent))
    import fuzz

    fake = tmp_path / "fuzz.py"
    fake.write_text("import sys; print(sys.argv[1:]); sys.exit('ended' if sys.argv[1] == 'toml' else 0)")
    monkeypatch.setattr(fuzz, "__file__", str(fake))
    assert fuzz.fuzz_apart(["csv", "map"], 2, ("--seed", "3")) == 0
    assert capsys.readouterr().out == "['csv', '--seed', '3']\n['map', '--seed', '3']\n"
    assert fuzz.fuzz_apart(["csv", "toml"], 2, ()) == 1
    assert "toml: exit code 1\nended" in capsys.readouterr().out
