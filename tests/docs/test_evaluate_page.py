"""docs/evaluate.md: its blocks run in their order in one folder; verdict, fix and gate are as the page tells."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "evaluate.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(python|sh|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def ran(cli: Any, words: list[str]) -> Any:
    """A command of the page; `python` runs a file that a block before has written."""
    if words[0] == "python":
        subprocess.run([sys.executable, *words[1:]], check=True, capture_output=True)
        return None
    assert words[0] == "calibench"
    result = cli(*words[1:])
    assert result.code == 0, (words, result.err)
    return result


@pytest.mark.slow
def test_a_stranger_can_follow_the_page(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas", reason="the page makes its example with pandas")
    monkeypatch.chdir(tmp_path)
    outputs = {}
    for language, block in BLOCK.findall(PAGE):
        if language == "python":
            name = re.match(r"# (\w+\.py)\n", block)
            assert name is not None, "a block of Python begins with the name of its file"
            Path(name[1]).write_text(block, encoding="utf-8")
        commands = block.splitlines() if language == "sh" else re.findall(r"run: ((?:calibench|python) .*)", block)
        for command in commands if language != "python" else []:
            result = ran(cli, shlex.split(command))
            outputs[command] = None if result is None else result.out
    assert len(outputs) >= 12
    assert "miscalibrated, strongly over-confident" in outputs["calibench evaluate test.csv"]
    before, after = (
        json.loads(cli("evaluate", file, "--resamples", "0", "--json").out)["metrics"]
        for file in ("test.csv", "fixed.csv")
    )
    assert after["nll"] < before["nll"]
    assert after["ece15"] < before["ece15"]
    assert f"NLL falls from {before['nll']:.2f} to {after['nll']:.2f}" in PAGE
    assert "verdict: miscalibrated, strongly under-confident" in outputs["calibench evaluate fixed.csv"]
    (rule,) = [out for command, out in outputs.items() if command.startswith("calibench thresholds")]
    threshold, answered = re.search(r"target_risk=0.08 +(\S+) +(\S+) \[", rule).groups()
    assert f"here {float(threshold):.2f}," in PAGE
    assert f"{float(answered):.0f} %" in PAGE
    assert after["accuracy"] == before["accuracy"], "a temperature changes no answer"
    assert cli("gate", "test.csv", "--max", "ece15=0.08", "--max", "brier=0.20").code == 1, (
        "the gate stops the file before the fix"
    )
