"""docs/guides/tuning.md: every command and the Python in it run, on shorter searches."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "tuning.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_every_command_of_the_page_runs(cli: Any, tmp_path: Path) -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) >= 4
    for command in commands:
        words = [re.sub("^(8|3)$", "2", word) for word in shlex.split(command)[1:]]
        ran = cli(*words, "--model", "mlp:hidden=16", "-q")
        assert ran.code == 0, (command, ran.err)
    assert len(list((tmp_path / "results" / "tuning").glob("*.json"))) == 5


@pytest.mark.slow
def test_the_python_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("python")
    short = block.replace("trials=20", "trials=2, epochs=2, model='mlp:hidden=8'")
    exec(compile(f"import calibench\n{short}", "tuning.md", "exec"), {})
