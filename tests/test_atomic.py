"""Writes are whole or not at all, and temporary files of dead processes are removed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from calibench import RunError
from calibench.atomic import filling_folder, replacing, writable_folder, write_json


def write_half(path: Path, error: Exception) -> None:
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise error


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    for bad in ({"a": float("nan")}, {"a": object()}):
        with pytest.raises((ValueError, TypeError)):
            write_json(path, bad)
    for error, kind in ((RuntimeError("half way"), RuntimeError), (OSError(28, "No space left"), RunError)):
        with pytest.raises(kind, match=r"half way|cannot write .*a\.json: No space left"):
            write_half(path, error)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_only_temporary_files_of_dead_processes_are_removed(tmp_path: Path) -> None:
    """Files of living processes, of other machines and of other programs stay."""
    with replacing(tmp_path / "x") as temporary:
        living = temporary.name
        temporary.write_text("being written")
        ended = subprocess.Popen(["true"])
        ended.wait()  # its id is free again
        dead = living.replace(f".{os.getpid()}.tmp", f".{ended.pid}.tmp")
        elsewhere = ".x.another-machine.1.tmp"
        for name in (dead, elsewhere, "user.tmp", ".hidden.tmp"):
            (tmp_path / name).write_text("")
        writable_folder(tmp_path)
        assert {p.name for p in tmp_path.iterdir()} == {living, elsewhere, "user.tmp", ".hidden.tmp"}


def test_folders_that_a_failed_block_left_empty_are_removed_and_no_others(tmp_path):
    (tmp_path / "there").mkdir()

    def refuse(folder, write):
        assert folder.is_dir()
        if write is not None:
            write.write_text("a log")
        raise RunError("refused", "")

    def fail_in(folder, write=None):
        with pytest.raises(RunError, match="refused"), filling_folder(folder):
            refuse(folder, write)

    fail_in(tmp_path / "there" / "new" / "logs")
    fail_in(tmp_path / "there")
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]
    fail_in(tmp_path / "a" / "b", write=tmp_path / "a" / "log")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "log", "there"]
