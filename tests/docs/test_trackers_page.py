"""docs/guides/trackers.md: its commands run where the package is installed, and its table names every parameter."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from calibench.plugins.discovery import registry

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "trackers.md").read_text(encoding="utf-8")
PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow", "comet": "comet_ml"}
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("calibench ")
]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(command: str, cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = re.search(r"--track (\w+)", command)
    if named is not None and importlib.util.find_spec(PACKAGES[named[1]]) is None:
        pytest.skip(f"{named[1]} is not installed")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path))
    short = ["--epochs", "1", "--model", "mlp:hidden=8", "-q"] if " run " in command else []
    ran = cli(*shlex.split(command)[1:], *short)
    assert ran.code == 0, ran.err


def test_the_table_names_every_parameter() -> None:
    for entry in registry("tracker").all("tracker"):
        (cells,) = re.findall(rf"^\| `{entry.spec.name}` \| `{entry.spec.name}` \| (.*?) \|", PAGE, re.MULTILINE)
        assert re.findall(r"(?<!\()`(\w+)`", cells) == [param.key for param in entry.spec.params]
