"""docs/guides/maps.md: its commands and its Python run as they stand, in order, on files of the names that they use."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "maps.md"

pytestmark = pytest.mark.slow


@pytest.fixture
def files(tmp_path: Path, samples: Any) -> Path:
    for name, seed in (("val", 0), ("test", 1)):
        logits, labels = samples(400, 4, seed)
        np.savez(tmp_path / f"{name}.npz", logits=logits * 2, labels=labels)
    return tmp_path


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_commands_run(files: Path, cli: Any) -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) >= 9
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "calibench"
        ran = cli(*words)
        assert ran.code == 0, f"{command}\n{ran.err}"
    assert {path.name for path in files.iterdir()} >= {
        "map.json",
        "calibrated.npz",
        "rule.json",
        "decided.csv",
        "map.onnx",
    }


def test_the_python_runs(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    code = "\n".join(blocks("python"))
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    assert names["probs"].shape == (2, 4)
    assert set(names["labels"]) == {0, 1, 2, 3}
    assert names["record"].after is not None


def test_the_snippets_named_are_those_that_there_are() -> None:
    from calibench.plugins.discovery import registry
    from calibench.stages import Calibrator

    sentence = re.search(r"The snippet is .*? have\s+one\.", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert sentence is not None
    named = {name.partition(":")[0] for name in re.findall(r"`([\w:=.-]+)`", sentence[0])}
    specs = [entry.spec for entry in registry().all("method") if entry.plugin.distribution == "calibench"]
    have = {
        spec.name
        for spec in specs
        if getattr(spec, "kind", "") == "calibrator" and spec.load().snippet is not Calibrator.snippet
    }
    assert named == have
