"""The command line as a whole: help, `python -m calibench`, pipes that close, and disks that are full."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import calibench

CALIBENCH = [sys.executable, "-m", "calibench"]


def test_help_of_every_command(cli):
    commands = ("run", "evaluate", "leaderboard", "list", "show", "doctor", "bench")
    for command in ((), *((name,) for name in commands), ("bench", "kernels"), ("bench", "methods")):
        ran = cli(*command, "--help")
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith("Usage:")
    assert cli("--version").out.strip().endswith(calibench.__version__)


def test_help_fits_a_terminal_of_80_columns(cli):
    from calibench.cli import COMMANDS

    for command in (
        (),
        *((name,) for name in COMMANDS),
        *(("bench", name) for name in ("judge", "kernels", "methods")),
    ):
        ran = cli(*command, "--help")
        assert [line for line in ran.out.splitlines() if len(line) > 80] == [], command
    listed = cli("--help").out.split("Commands:")[1].splitlines()
    assert [line for line in listed if line.endswith("...")] == []


def test_options_stand_under_headings(cli):
    out = cli("evaluate", "--help").out
    places = [out.index(f"\n{heading}:\n") for heading in ("Questions", "Fit", "Reading FILE", "Output")]
    assert places == sorted(places)
    assert "\nOptions:" not in out
    assert (
        places[0]
        < out.index("  --by COLUMN")
        < places[1]
        < out.index("  --fit-on")
        < places[2]
        < out.index("  --probs")
    )
    for command, heading in (("gate", "Limits"), ("thresholds", "Targets"), ("fit", "Fit"), ("apply", "Reading FILE")):
        assert f"\n{heading}:\n" in cli(command, "--help").out
    for command in ("gate", "thresholds", "fit", "apply", "export"):
        assert "\nOptions:" not in cli(command, "--help").out


@pytest.mark.slow
def test_as_a_module(tmp_path, good):
    command = [*CALIBENCH, "evaluate", str(good), "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["n"] == 60


def test_an_error_as_a_module(tmp_path):
    ended = subprocess.run([*CALIBENCH, "rnu"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "did you mean 'run'?" in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", ["list metrics --json", "list metrics", "--help"])
def test_a_closed_pipe_is_no_error(command, tmp_path):
    line = f"{sys.executable} -m calibench {command} | true; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_full_disk_is_a_failure(tmp_path):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        command = [*CALIBENCH, "list", "methods", "--json"]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr == "error: no space is left on the device\nhint: free some, and run the same command again\n"
