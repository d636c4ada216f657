"""docs/guides/command-line.md: each of its commands ends with exit code 0."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "command-line.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


def test_the_page_has_its_commands() -> None:
    assert len(COMMANDS) == 9
    assert all(line.split()[0] == "calibench" for line in COMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(command: str, cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOME": str(tmp_path), "SHELL": "/bin/bash", "XDG_DATA_HOME": ""}.items():
        monkeypatch.setenv(name, value)
    ran = cli(*shlex.split(command)[1:])
    assert ran.code == 0, ran.err
    assert ran.out
