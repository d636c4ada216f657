"""`torchrun -m calibench run`: one record, one set of messages, and a failure of one process that ends all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from forked import ForkedCommand, join
from short_runs import write_blobs

from calibench import run


@pytest.mark.slow
def test_torchrun_writes_one_record_and_shows_it_once(tmp_path: Path) -> None:
    dataset = write_blobs(tmp_path)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "calibench"]
    words = ("run", "-m", "ce", "-d", dataset, "--model", "mlp:hidden=12", "--epochs", "2", "--json")
    ended = subprocess.run([*launch, *words], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120)
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert document["machine"]["ranks"] == 2
    assert ended.stderr.count("accuracy") == 1
    assert [p.stem for p in (tmp_path / "results" / "records").iterdir()] == [document["run_id"]]
    alone = run("ce", dataset, "mlp:hidden=12", epochs=2, results=None)
    assert document["run_id"] == alone.run_id
    assert document["metrics"]["nll"] == pytest.approx(alone.metrics["nll"], rel=1e-5)
    assert document["n"] == alone.n


@pytest.mark.parametrize(("rank", "lines"), [("0", 2), ("1", 0)])
def test_a_mistake_is_reported_by_the_first_process_alone(
    rank: str, lines: int, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", "2")
    ran = cli("run", "-m", "nothing")
    assert ran.code == 2
    assert len(ran.err.splitlines()) == lines


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked")
def test_a_failure_of_the_first_process_ends_all_and_is_reported(tmp_path: Path) -> None:
    """The first process fits the temperature while the second waits for the record."""
    words = ("run", "-m", "ce+temperature", "--epochs", "1", "--set", "ce.lr=1e-9")
    processes = [ForkedCommand(*words, cwd=tmp_path, before=join(rank, 2, tmp_path / "store")) for rank in range(2)]
    first, second = (process.wait() for process in processes)
    assert (first.code, second.code) == (1, 1)
    assert first.err.startswith("error: temperature: the NLL of these 180 samples still falls")
    assert second.err.startswith("error: rank 1: another process of this run is gone")
    assert "this is a bug" not in first.err + second.err
    assert not list((tmp_path / "results" / "records").iterdir())
