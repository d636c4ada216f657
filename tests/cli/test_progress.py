"""Progress on standard error: a bar on a terminal, a line a minute in a log, nothing if it is silent."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calibench.progress import AfterPatience
from calibench.report.progress_bar import Batch, progress


def test_a_log_has_a_line_a_minute(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 10.0, 59.0, 61.0, 100.0, 122.0, 200.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with progress("[1/1] ce", silent=False) as report:
        for done in (2.0, 3.0, 3.5, 5.0, 6.0, 200.0):
            report("stage 1, ce", done, 200, "5 samples/s")
    assert capsys.readouterr().err.splitlines() == [
        "[1/1] ce: stage 1, ce: 3.5/200, 5 samples/s, 1:51:21 left",
        "[1/1] ce: stage 1, ce: 6/200, 5 samples/s, 1:30:32 left",
    ]


def test_silence_is_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 100.0, 200.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    with progress("x", silent=True) as report:
        report("stage 1, ce", 1, 3, "")
        report("stage 1, ce", 2, 3, "")
    assert capsys.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.usefixtures("features")
def test_a_terminal_shows_rate_and_time_left(tmp_path: Path) -> None:
    text = run_on_a_terminal(tmp_path, "-m", "ce", "--epochs", "60")
    assert "stage 1, ce" in text
    assert "samples/s" in text
    assert "val NLL" in text
    assert "0:00:" in text


def run_on_a_terminal(folder: Path, *words: str) -> str:
    """Everything that `calibench run` of `features.npz` in the folder writes on a pseudo-terminal as standard error."""
    ours, theirs = pty.openpty()
    data = ("-d", "npz:path=features.npz", "--model", "mlp:hidden=8")
    command = [sys.executable, "-m", "calibench", "run", *words, *data, "--json"]
    environment = {**os.environ, "COLUMNS": "160", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, cwd=folder, env=environment) as running:
        os.close(theirs)
        text = read_all(ours).decode()
    os.close(ours)
    assert running.returncode == 0
    return text


def read_all(descriptor: int) -> bytes:
    """Everything that is written to the other end until it is closed."""
    pieces = []
    while True:
        try:
            piece = os.read(descriptor, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces)


def test_a_short_wait_needs_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, heard = [10.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    report = AfterPatience(lambda *what: heard.append(what))
    report("resamples", 1, 4, "")
    clock[0] = 12.5
    report("resamples", 2, 4, "")
    assert heard == [("resamples", 2, 4, "")]


def test_the_time_left_of_a_batch_is_that_of_its_pace() -> None:
    assert Batch(0, 12, 5.0).left() == ""
    assert Batch(3, 12, 90.0).left() == "0:04:30 left"


@pytest.mark.slow
@pytest.mark.usefixtures("features")
def test_several_runs_have_one_bar_of_all(tmp_path: Path) -> None:
    text = run_on_a_terminal(tmp_path, "-m", "ce", "-m", "focal", "--epochs", "20")
    assert "all runs" in text
    assert "0/2" in text
    assert "1/2" in text
