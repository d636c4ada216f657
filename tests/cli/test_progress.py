"""Progress: every epoch, and within a long one, with samples a second and what is left; on a terminal and in a log."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from calibench import run
from calibench.cli import output
from calibench.training import pace

Told = tuple[str, float, int, str]


def told_by(**more: object) -> list[Told]:
    told: list[Told] = []
    run("ce", model="mlp:hidden=8", epochs=3, results=None, report=lambda *said: told.append(said), **more)  # type: ignore[arg-type]
    return [said for said in told if said[0] == "stage 1, ce"]


def test_every_epoch_has_its_nll_its_calibration_and_a_rate() -> None:
    told = told_by()
    assert [(done, total) for _, done, total, _ in told if done % 1 == 0] == [(1, 3), (2, 3), (3, 3)]
    for _, _, _, note in told:
        rate, nll, ece = note.rsplit(", ", 2)
        assert nll.startswith("val NLL ")
        assert ece.startswith("ECE15 ")
        assert ece.endswith("%")
        assert rate.endswith(" samples/s")
        assert float(rate.removesuffix(" samples/s").replace(",", "")) > 100


def test_a_long_epoch_is_told_of_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "TELL", 0.0)
    told = told_by(settings=["ce.batch_size=404"])
    assert [done for _, done, _, _ in told] == pytest.approx([n / 3 for n in (1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9)])
    assert told[0][3].endswith(" samples/s")
    assert ", val NLL " in told[4][3]


def test_the_rate_is_rows_by_seconds_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.1, 2.0, 50.0, 51.0])
    monkeypatch.setattr(pace.time, "perf_counter", lambda: next(clock))
    told: list[Told] = []
    watch = pace.Pace(lambda *said: told.append(said), "x", 4)
    watch.step(0.5, 100)
    watch.step(1, 100)
    watch.epoch(1, "val NLL 1")
    watch.begin()  # at 50: validation took 48 seconds
    watch.step(1.5, 300)
    assert told == [
        ("x", 1, 4, "100 samples/s"),
        ("x", 1, 4, "100 samples/s, val NLL 1"),
        ("x", 1.5, 4, "300 samples/s, val NLL 1"),
    ]


def test_a_log_has_a_line_a_minute(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 10.0, 59.0, 61.0, 100.0, 122.0, 200.0])
    monkeypatch.setattr(output.time, "monotonic", lambda: next(clock))
    with output.progress("[1/1] ce", silent=False) as report:
        for done in (2.0, 3.0, 3.5, 5.0, 6.0, 200.0):
            report("stage 1, ce", done, 200, "5 samples/s")
    assert capsys.readouterr().err.splitlines() == [
        "[1/1] ce: stage 1, ce: 3.5/200, 5 samples/s, 1:51:21 left",
        "[1/1] ce: stage 1, ce: 6/200, 5 samples/s, 1:30:32 left",
    ]


def test_silence_is_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(output, "LINE_SECONDS", 0.0)
    with output.progress("x", silent=True) as report:
        report("stage 1, ce", 1, 2, "")
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_rate_and_time_left(tmp_path: Path) -> None:
    """The real command on a pseudo-terminal."""
    mine, its = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "calibench",
        "run",
        "-m",
        "ce",
        "--model",
        "mlp:hidden=8",
        "--epochs",
        "60",
        "--json",
    ]
    env = {**os.environ, "COLUMNS": "160", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=its, cwd=tmp_path, env=env) as running:
        os.close(its)
        shown = b""
        while True:
            try:
                piece = os.read(mine, 4096)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
    os.close(mine)
    assert running.returncode == 0
    text = shown.decode()
    assert "stage 1, ce" in text
    assert "samples/s" in text
    assert "val NLL" in text
    assert "0:00:" in text
