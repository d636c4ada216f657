"""Commands of the page on boards: each one runs on a few of the committed entries."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guides" / "boards.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMANDS = [
    line.partition("#")[0].strip()
    for block in BLOCK.findall(PAGE)
    for line in block.splitlines()
    if line.startswith("calibench ")
]
KEPT = re.compile(r"-mlp-(ce|ce\+temperature|ce\+vtst)-s[01]-")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recipes of `quick-v1` on four data sets, with two seeds, as `results`; the board of digits as it is."""
    folder = tmp_path_factory.mktemp("boards")
    for part in ("records", "predictions"):
        (folder / "results" / part).mkdir(parents=True)
        for path in (ROOT / "leaderboards" / "quick-v1" / part).iterdir():
            if KEPT.search(path.name):
                shutil.copy(path, folder / "results" / part)
    shutil.copytree(ROOT / "leaderboards" / "digits", folder / "leaderboards" / "digits")
    return folder


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) >= 15


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(command: str, folder: Path, cli: Callable[..., Any]) -> None:
    os.chdir(folder)  # the fixture `cli` goes back
    ran = cli(*shlex.split(command)[1:])
    assert ran.code == 0, ran.err
    assert ran.out or "wrote" in ran.err
