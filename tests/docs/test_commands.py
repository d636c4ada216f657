"""Commands in the guides of groups, thresholds and pictures: each one runs on small files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from calibench.cli import cli

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


def commands(page: str, section: str = "") -> list[str]:
    """The `calibench` lines in the blocks of a page, or of the part of it that follows the heading `section`."""
    text = (ROOT / "docs" / "guides" / page).read_text(encoding="utf-8")
    if section:
        text = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = "\n".join(BLOCK.findall(text)).splitlines()
    return [line.partition("#")[0].strip() for line in lines if line.startswith("calibench ")]


COMMANDS = [*commands("groups.md"), *commands("thresholds.md"), *commands("evaluate.md", "Pictures and a page")]


def test_the_pages_have_commands():
    assert len(COMMANDS) >= 14


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of the names that the pages use: two classes, a hospital, a sex, a weight and a day."""
    folder, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(0)
    for name in ("test", "val", "other"):
        n = 400
        z = rng.normal(size=(n, 2)) * 3
        p = 1 / (1 + np.exp(z[:, 0] - z[:, 1]))
        labels = (rng.random(n) < p).astype(int)
        days = np.datetime64("2024-01-01") + np.sort(rng.integers(0, 150, n))
        columns = {
            "hospital": rng.choice(["Oslo", "Moss"], n),
            "sex": rng.choice(["f", "m"], n),
            "w": rng.random(n) + 0.5,
        }
        np.savez(folder / f"{name}.npz", logits=z, labels=labels, day=days.astype(str), **columns)
        rows = ["no,yes,hospital,sex,w,day,label"]
        for i in range(n):
            own = [str(values[i]) for values in columns.values()]
            rows.append(",".join([f"{1 - p[i]:.6f}", f"{p[i]:.6f}", *own, str(days[i]), str(labels[i])]))
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "costs.csv").write_text("0,1,0.2\n5,0,0.2\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_docs_runs(command, folder, monkeypatch):
    monkeypatch.chdir(folder)
    words = shlex.split(command)[1:]
    if "test.csv" in words or "val.csv" in words:
        words += ["--probs", "no,yes"]  # the file has more columns than a page's one question names
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, (command, result.exception, result.output)
