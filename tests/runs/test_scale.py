"""A sweep of 100 000 cells is planned within 20 s and 1 GB; docs/scale.md has the figures."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "simulations" / "scale.py"


@pytest.mark.slow
def test_a_hundred_thousand_cells_are_planned(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), "plan", "--folder", str(tmp_path)]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found = re.fullmatch(r"plan: .*: [\d.]+ s \(([\d.]+) s of CPU\), (\d+) MB\n", printed)
    assert found is not None, printed
    assert float(found[1]) < 20
    assert int(found[2]) < 1000
