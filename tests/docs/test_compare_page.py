"""docs/guides/compare.md: every command in it runs, and its example is what the committed board gives."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from calibench.cli import cli as commands

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))
from compared_runs import samples, store_run

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guides" / "compare.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """`results` with `ce` and `vtst` in two commits, and copies of it as `old` and `new`."""
    logits, labels = samples(120)
    for seed in (0, 1):
        for recipe, factor in (("ce", 1.0), ("vtst", 2.0)):
            store_run(tmp_path / "results", recipe, seed, factor * logits, labels, dataset="digits")
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "results"), ("commit", "-qm", "1"), ("commit", "-qm", "2", "--allow-empty")):
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)
    for name in ("old", "new"):
        shutil.copytree(tmp_path / "results", tmp_path / name)
    store_run(tmp_path / "new", "vtst", 0, logits, labels, dataset="digits")
    return tmp_path


@pytest.mark.usefixtures("folders")
def test_every_command_of_the_page_runs(cli: Any) -> None:
    assert len(COMMANDS) >= 8
    for command in COMMANDS:
        ran = cli(*shlex.split(command)[1:])
        assert ran.code == 0, (command, ran.err)


def test_the_example_is_that_of_the_committed_board(monkeypatch: pytest.MonkeyPatch) -> None:
    command = re.search(r"`calibench (compare [^`]*quick-v1[^`]*)`", PAGE)
    assert command is not None
    monkeypatch.chdir(ROOT)
    shown = CliRunner().invoke(commands, shlex.split(command[1])).output
    lines = [line.rstrip() for line in shown.splitlines()]
    example = re.search(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert example is not None
    for line in example[1].splitlines():
        assert line in lines, line
