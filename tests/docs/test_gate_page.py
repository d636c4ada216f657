"""docs/guides/gate.md: every command and every block of Python in it runs, and ends as the page says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "guides" / "gate.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [block for name, block in found if name == language]


COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]
PYTHON = {block: "pytest" in block for block in blocks("python")}
"""Blocks of Python, and whether each is a test file."""


@pytest.fixture
def files(tmp_path, monkeypatch):
    """test.npz of a calibrated model, and two models on the same rows, the new one better."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(5000, 5)) * 2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (p.cumsum(axis=1) > generator.random((5000, 1))).argmax(axis=1)
    for name, scores in (("test", logits), ("new", logits), ("old", logits * 1.5)):
        np.savez(tmp_path / f"{name}.npz", logits=scores, labels=labels)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_has_commands():
    assert len(COMMANDS) >= 6
    assert len(PYTHON) >= 4


@pytest.mark.slow
@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_passes(cli, command):
    program, *arguments = shlex.split(command, comments=True)
    assert program == "calibench"
    ran = cli(*arguments)
    assert ran.code == 0, ran.err


@pytest.mark.slow
@pytest.mark.usefixtures("files")
def test_the_job_of_github_runs_a_command_that_passes(cli):
    (job,) = blocks("yaml")
    (command,) = [line.split("run: ")[1] for line in job.splitlines() if "run: calibench" in line]
    ran = cli(*shlex.split(command)[1:])
    assert ran.code == 0, ran.err
    assert ran.out.count("::notice file=test.npz") == 2
    assert "--junit gate.xml" in command
    assert "path: gate.xml" in job


@pytest.mark.slow
@pytest.mark.usefixtures("files")
def test_the_printed_lines_are_those_of_the_command(cli):
    printed = next(block for block in blocks("") if block.startswith("holds: "))
    limits = [re.match(r"[\w ]+: (\w+) <= ([\d.]+):", line).groups() for line in printed.splitlines()]
    ran = cli("gate", "test.npz", *(f"--max={name}={value}" for name, value in limits))
    assert ran.out == printed
    assert ran.code == 1


@pytest.mark.slow
@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("block", [block for block, is_test in PYTHON.items() if not is_test])
def test_every_block_of_python_runs(block, capsys):
    if "calibench.metrics" in block:
        pytest.importorskip("torchmetrics", reason="the extra torchmetrics is not installed")
    exec(compile(block, "docs/guides/gate.md", "exec"), {"__name__": "page"})
    assert capsys.readouterr().out.strip()
