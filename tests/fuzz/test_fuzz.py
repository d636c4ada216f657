"""Each fuzz harness for a short while, in a process of its own; `make fuzz SECONDS=30` runs them for longer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parent / "fuzz.py"
SECONDS = "1.5"


@pytest.mark.slow
def test_no_reader_and_no_operator_ends_otherwise_than_it_should(tmp_path):
    command = [sys.executable, str(FUZZ), "--seconds", SECONDS, "--keep", str(tmp_path)]
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
