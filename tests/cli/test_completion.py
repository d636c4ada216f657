"""Completion for bash, zsh and fish: the names that it finds, that it stays quick, and its setting up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from calibench.cli import COMMANDS
from calibench.cli import cli as group
from calibench.cli.list import FAMILIES


def completed(*words: str) -> list[str]:
    """What a shell is offered for the last of `words`."""
    found = ShellComplete(group, {}, "calibench", "_CALIBENCH_COMPLETE").get_completions(list(words[:-1]), words[-1])
    return [item.value for item in found]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("ru",), ["run"]),
        (("help", "ben"), ["bench"]),
        (("list", "me"), ["methods", "metrics"]),
        (("run", "--method", "vts"), ["vtst"]),
        (("run", "-m", "vtst+temp"), ["vtst+temperature"]),
        (("run", "-m", "tst+ts"), []),
        (("run", "-m", "tst+label"), []),
        (("run", "-m", "temperature:x=1+vec"), ["temperature:x=1+vector"]),
        (("run", "-m", "threshold+temp"), []),
        (("run", "-m", "unknown+temp"), ["unknown+temperature"]),
        (("fit", "val.csv", "--method", "temp"), ["temperature"]),
        (("fit", "val.csv", "--method", "vt"), []),
        (("evaluate", "val.csv", "--fit", "label-s"), []),
        (("run", "-d", "digi"), ["digits"]),
        (("run", "--model", "wr"), ["wrn"]),
        (("run", "--noise", "symm"), ["symmetric"]),
        (("run", "--shift", "rot"), ["rotation"]),
        (("run", "--ood", "svh"), ["svhn"]),
        (("run", "--ood-score", "ener"), ["energy"]),
        (("run", "--metrics", "brier,smec"), ["brier,smece"]),
        (("run", "--preset", "qui"), ["quick"]),
        (("run", "--track", "tens"), ["tensorboard"]),
        (("run", "--thr"), ["--threads"]),
        (("sweep", "quick"), ["quick-v1"]),
        (("sweep", "quick-v1", "--launcher", "ra"), ["ray"]),
        (("evaluate", "a.csv", "--fit", "isot"), ["isotonic"]),
        (("compare", "ce", "ce+isot"), ["ce+isotonic"]),
        (("leaderboard", "--metric", "brie"), ["brier"]),
        (("show", "vts"), ["vtst"]),
        (("show", "metho"), ["method"]),
        (("show", "dataset", "digi"), ["digits"]),
        (("show", "dataset", "digits", "d"), []),
    ],
)
def test_a_word_is_completed(words, expected):
    assert completed(*words) == expected


def test_every_command_and_kind_is_offered():
    assert completed("") == list(COMMANDS)
    assert completed("list", "") == list(FAMILIES)


def environment(home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HOME": str(home),
        "PYTHON": sys.executable,
        "XDG_DATA_HOME": "",
        "XDG_CONFIG_HOME": "",
        "ZDOTDIR": "",
    }


def install(home: Path, shell: str, cli, monkeypatch) -> str:
    for name, value in environment(home).items():
        monkeypatch.setenv(name, value)
    ran = cli("--install-completion", shell)
    assert ran.code == 0, ran.err
    return ran.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_it_is_set_up_once(shell, cli, tmp_path, monkeypatch):
    start = tmp_path / f".{shell}rc"
    if shell != "fish":
        start.write_text("export A=1")
        start.chmod(0o600)
    out = [install(tmp_path, shell, cli, monkeypatch) for _ in range(2)]
    folder = (
        ".config/fish/completions/calibench.fish" if shell == "fish" else f".local/share/calibench/completion.{shell}"
    )
    assert f"wrote {tmp_path / folder}" in out[0]
    assert (tmp_path / folder).read_text() == cli("--show-completion", shell).out
    if shell != "fish":
        assert start.read_text() == f"export A=1\nsource {tmp_path / folder}  # completion of calibench\n"
        assert start.stat().st_mode & 0o777 == 0o600
        assert ("added a line" in out[0], "added a line" in out[1]) == (True, False)


def test_the_shell_of_the_user_is_the_default(cli, monkeypatch):
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert cli("--show-completion").out == cli("--show-completion", "fish").out
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    ran = cli("--show-completion")
    assert (ran.code, ran.out) == (2, "")
    assert "the shell 'tcsh' is none of bash, zsh, fish" in ran.err
    assert cli("--install-completion", "csh").code == 2


BASH = "source ~/.bashrc; COMP_WORDS=(calibench run --method vts); COMP_CWORD=3; _calibench_completion calibench; echo $COMPREPLY"
FISH = 'complete -C "calibench run --method vts"'


@pytest.mark.slow
@pytest.mark.parametrize(("shell", "line"), [("bash", BASH), ("fish", FISH)])
def test_a_real_shell_completes(shell, line, cli, tmp_path, monkeypatch):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    install(tmp_path, shell, cli, monkeypatch)
    command = tmp_path / "bin" / "calibench"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m calibench "$@"\n')
    command.chmod(0o755)
    own = environment(tmp_path) | {"PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}
    ran = subprocess.run([shell, "-c", line], capture_output=True, text=True, check=False, env=own)
    assert ran.stdout.split("\t")[0].strip() == "vtst", ran.stderr


@pytest.mark.slow
def test_completion_imports_no_torch(tmp_path):
    probe = (
        "import sys, calibench.cli\ntry:\n    calibench.cli.main()\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    own = {
        **os.environ,
        "_CALIBENCH_COMPLETE": "bash_complete",
        "COMP_WORDS": "calibench run --method vts",
        "COMP_CWORD": "3",
    }
    ran = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False, env=own, cwd=tmp_path
    )
    assert "vtst" in ran.stdout
    loaded = {name.partition(".")[0] for name in ran.stderr.split()}
    assert "calibench" in loaded
    assert not loaded & {"torch", "numpy", "scipy", "sklearn", "rich"}
