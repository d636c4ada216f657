"""Pipes, devices and names that lead elsewhere, among records and predictions: refused by name, and never opened."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import pytest
from example_record import example_record, results_folder

from calibench import InputError
from calibench.atomic import digest_of
from calibench.files.regular_file import read_regular
from calibench.records.failed_cells import read_failed
from calibench.records.store import find_record, read_predictions, read_record, read_records


def stored(results: Path, **changes: Any) -> Path:
    """A file that holds an example record with changed fields."""
    record = example_record(predictions={"file": "predictions/a.safetensors", "sha256": "0" * 64}).to_dict()
    file = results_folder(results) / "records" / "a.json"
    file.write_text(json.dumps({**record, **changes}))
    return file


@pytest.mark.parametrize("target", ["pipe", "/dev/zero", "/dev/stdin", "socket"])
def test_what_is_no_file_is_never_opened_as_a_record(target: str, tmp_path: Path) -> None:
    file = results_folder(tmp_path) / "records" / "a.json"
    if target == "pipe":
        os.mkfifo(file)
    elif target == "socket":
        os.mknod(file, 0o140600)
    else:
        file.symlink_to(target)
    with pytest.raises(InputError, match=r"cannot read .*a\.json: .*(not a file|No such)"):
        read_records(tmp_path)
    with pytest.raises(InputError, match="cannot read"):
        read_record(file)


def test_a_pipe_in_place_of_predictions_does_not_hang(tmp_path: Path) -> None:
    record = read_record(stored(tmp_path))
    os.mkfifo(tmp_path / "predictions" / "a.safetensors")
    with pytest.raises(InputError, match="a pipe, not a file"):
        read_predictions(tmp_path, record)
    with pytest.raises(OSError, match="a pipe"):
        digest_of(tmp_path / "predictions" / "a.safetensors")


@pytest.mark.parametrize("place", ["failed.json", "sweeps/quick-v1.json"])
def test_a_pipe_in_place_of_failed_cells_does_not_hang(place: str, tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    os.mkfifo(tmp_path / place)
    assert read_failed(tmp_path) == []


@pytest.mark.parametrize(
    "file",
    [
        "../../../etc/passwd",
        "/etc/passwd",
        "predictions/../../x",
        "predictions",
        "predictions/",
        "records/a.json",
        "a",
        "predictions/..",
        "predictions/.hidden",
        "predictions/a\\..\\b",
        "predictions/a\nb",
        f"predictions/{'a' * 300}",
    ],
)
def test_predictions_lie_in_their_folder_and_nowhere_else(file: str, tmp_path: Path) -> None:
    place = stored(tmp_path, predictions={"file": file, "sha256": "0" * 64})
    with pytest.raises(InputError, match=r"a\.json: the value of 'predictions' does not fit"):
        read_record(place)


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", ".hidden", "a\\b", "C:x", "a\x1b[2J", "a\0", "x" * 241, "\u202eabc"]
)
def test_an_id_that_names_no_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the value of 'run_id' does not fit"):
        read_record(stored(tmp_path, run_id=name))


def test_a_file_that_is_too_large_for_a_record_is_refused_by_its_size(tmp_path: Path) -> None:
    file = stored(tmp_path)
    os.truncate(file, 100 << 30)  # sparse: it takes no disk
    with pytest.raises(InputError, match="it has 107374182400 bytes, and 67108864 are the most"):
        read_record(file)
    with pytest.warns(match="made again"):
        assert find_record(tmp_path, "a", "c0de") is None


def test_a_file_whose_size_the_system_does_not_tell_is_bounded_too() -> None:
    with pytest.raises(OSError, match="it has over 10 bytes"):
        read_regular(Path("/proc/self/status"), most=10)


@pytest.mark.parametrize(
    "bootstrap",
    [{"level": 10**400}, {"level": "x"}, {"resamples": 1 << 70}, {"seed": -1}, {"resamples": 1.5}, {"seed": True}],
)
def test_a_bootstrap_of_no_such_numbers_is_refused(bootstrap: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the value of 'bootstrap' does not fit"):
        read_record(stored(tmp_path, bootstrap=bootstrap))


def test_a_record_of_a_real_run_still_fits(tmp_path: Path) -> None:
    record = read_record(stored(tmp_path))
    assert dataclasses.replace(record, run_id="digits-mlp-ce+temperature-s0-363ebd3bb089").to_dict()
