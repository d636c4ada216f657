"""docs/guides/training.md, the course of a training: every command runs on two short runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "guides" / "training.md").read_text(encoding="utf-8")
SECTION = TEXT.split("\n## The course of a training\n")[1].split("\n## ")[0]
COMMANDS = [line.partition("#")[0].strip() for line in re.findall(r"^calibench .*$", SECTION, re.MULTILINE)]


@pytest.mark.slow
def test_the_commands_of_the_section_run(cli: Any, tmp_path: Path) -> None:
    assert len(COMMANDS) == 4
    run = ("run", "-m", "ce", "-m", "vtst", "--set", "vtst.epochs=2", "--model", "mlp:hidden=8", "--epochs", 2, "-q")
    assert cli(*run).code == 0
    for command in COMMANDS:
        ran = cli(*shlex.split(command)[1:])
        assert ran.code == 0, (command, ran.err)
    assert (tmp_path / "curves.svg").read_text().count("<polyline") == 2
