"""Runs that are killed, interrupted, or beside another one of the same: a results folder never holds half a file."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from features_run import RUN, temporary_files
from forked import Ended, ForkedCommand
from short_runs import figures

from calibench.cache.resume import VARIABLE


@pytest.fixture
def undisturbed(cli: Any, features: Any) -> dict[str, Any]:
    """The record of a run that nobody disturbs, in another folder."""
    document: dict[str, Any] = cli(*RUN, "--results", "elsewhere").document
    return document


def kill_at_sync(moment: int) -> Callable[[], None]:
    """Let this process die by kill -9 when it syncs a file or folder for the `moment`-th time."""
    sync, syncs = os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        if syncs == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    def prepare() -> None:
        os.fsync = fsync

    return prepare


@pytest.mark.slow
@pytest.mark.parametrize("moment", [1, 4, 5, 7])
def test_killed_while_it_writes(moment: int, cli: Any, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    """Each file is synced twice: 1 is stage 1 written, not renamed; 4 its checksum; 5 the predictions; 7 the record."""
    killed = ForkedCommand(*RUN, cwd=tmp_path, before=kill_at_sync(moment)).wait()
    assert killed.code == -signal.SIGKILL, killed.err
    assert killed.out == ""
    results = tmp_path / "results"
    assert bool(temporary_files(results)) == (moment % 2 == 1)
    assert not list((results / "records").glob("*.json"))
    ran = cli(*RUN)
    assert ran.code == 0, ran.err
    assert figures(ran.document) == figures(undisturbed)
    assert ran.document["cache"]["hits"] == (["stage1"] if moment >= 4 else [])
    assert not temporary_files(tmp_path)
    (record,) = (results / "records").iterdir()
    assert json.loads(record.read_text()) == ran.document
    assert cli("leaderboard", "--results", "results").code == 0


def kill_once_two_epochs_are_kept(command: ForkedCommand, cache: Path) -> Ended:
    stamps: set[int] = set()
    while command.running() and len(stamps) < 2:
        for file in cache.glob("*.unfinished"):
            with contextlib.suppress(FileNotFoundError):  # it is removed when the training ends
                stamps.add(file.stat().st_mtime_ns)
        time.sleep(0.001)
    command.send(signal.SIGKILL)
    return command.wait()


@pytest.mark.slow
def test_killed_in_the_middle_of_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kill -9 at an arbitrary moment, once two epochs are kept; the same command says where it goes on, and ends the same."""
    monkeypatch.setenv(VARIABLE, "0")
    command = ("run", "-m", "ce+temperature", "--model", "mlp", "--epochs", "25", "--json")
    undisturbed = ForkedCommand(*command, "--results", "elsewhere", cwd=tmp_path).wait()
    assert undisturbed.code == 0, undisturbed.err
    cache = tmp_path / "results" / "cache"
    killed = kill_once_two_epochs_are_kept(ForkedCommand(*command, cwd=tmp_path), cache)
    assert killed.code == -signal.SIGKILL, killed.err
    assert killed.out == ""
    again = ForkedCommand(*command, cwd=tmp_path).wait()
    assert again.code == 0, again.err
    notes = [line for line in again.err.splitlines() if line.startswith("note: stage 1, ce: resumed from epoch ")]
    assert len(notes) == 1, again.err
    epoch = int(notes[0].split()[7])
    assert 2 <= epoch < 25
    document, expected = json.loads(again.out), json.loads(undisturbed.out)
    assert figures(document) == figures(expected)
    assert document["cache"] == {"hits": [], "made": ["stage1"], "resumed": [f"stage 1, ce: epoch {epoch} of 25"]}
    assert "resumed" not in expected["cache"]
    assert not list(cache.glob("*.unfinished"))
    assert not temporary_files(tmp_path / "results")


@pytest.mark.usefixtures("features")
def test_interrupted_by_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 130, a line that says what is kept, and no traceback. Nothing half written is left beside the training's file."""
    monkeypatch.setenv(
        VARIABLE, "0"
    )  # the file of the training is written after every epoch, and shows that it has begun
    words = [*RUN, "--set", "ce.lr=1e-9", "-s", "1"]
    words[words.index("2")] = "1000000"
    running = ForkedCommand(
        *words, cwd=tmp_path, before=lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
    )
    results = tmp_path / "results"
    while running.running() and not list(results.glob("cache/*.unfinished")):
        time.sleep(0.005)
    running.send(signal.SIGINT)
    ended = running.wait()
    assert ended.code == 130, ended.err
    assert ended.out == ""
    assert "error: interrupted" in ended.err
    assert "finished stages are stored" in ended.err
    assert "Traceback" not in ended.err
    kept = [path.suffix for path in results.rglob("*") if path.is_file() and path.parent.name != "locks"]
    assert kept == [".unfinished"]


@pytest.mark.slow
def test_two_runs_at_once(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    for running in [ForkedCommand(*RUN, cwd=tmp_path) for _ in range(2)]:
        ended = running.wait()
        assert ended.code == 0, ended.err
        assert figures(json.loads(ended.out)) == figures(undisturbed)
    assert not temporary_files(tmp_path)
