"""Records and predictions on disk."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from calibench.atomic import digest_of, replacing, write_json
from calibench.errors import InputError
from calibench.records.record import ResultRecord

RECORDS, PREDICTIONS, CACHE = "records", "predictions", "cache"
"""Folders under a results folder."""


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def read_record(path: Path) -> ResultRecord:
    """One record file; InputError when it cannot be read."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}", "check the file") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error})", "remove it and run again") from None
    return ResultRecord.from_dict(document, str(path))


def read_records(results: Path) -> list[ResultRecord]:
    """Every record under a results folder, by run id; InputError when the folder is not there or a file is not a record."""
    folder = results / RECORDS
    if not folder.is_dir():
        raise InputError(f"there are no records under {str(results)!r}", "run first: calibench run --method vtst")
    return [read_record(path) for path in sorted(folder.glob("*.json"))]


def find(results: Path, run_id: str, code: str) -> ResultRecord | None:
    """The stored record of this run if it was made by the same code and its predictions are still what it says."""
    path = results / RECORDS / f"{run_id}.json"
    if not path.is_file():
        return None
    try:
        record = read_record(path)
        if record.code == code and record.predictions is not None:
            read_predictions(results, record, names=())
            return record
    except InputError:
        pass
    return None


def write(results: Path, record: ResultRecord, arrays: Mapping[str, NDArray[Any]]) -> ResultRecord:
    """Write predictions, then the record that names them and their checksum; each atomically. Returns the record as written."""
    file = results / PREDICTIONS / f"{record.run_id}.safetensors"
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with replacing(file) as temporary:
        # One entry: safetensors writes several in random order, and equal runs must give equal bytes.
        save_file(contiguous, temporary, metadata={"schema": "calibench.predictions/1"})
    digest = digest_of(file)
    record = dataclasses.replace(record, predictions={"file": f"{PREDICTIONS}/{file.name}", "sha256": digest})
    write_json(results / RECORDS / f"{record.run_id}.json", record.to_dict())
    return record


def named_by(results: Path, record: ResultRecord, preset: Mapping[str, Any] | None) -> ResultRecord:
    """The stored record, which from now on names the preset that asked for it, if one did."""
    if preset is None or record.preset == dict(preset):
        return record
    record = dataclasses.replace(record, preset=dict(preset))
    write_json(results / RECORDS / f"{record.run_id}.json", record.to_dict())
    return record


def read_predictions(
    results: Path, record: ResultRecord, names: tuple[str, ...] | None = None
) -> dict[str, NDArray[Any]]:
    """The arrays that a run stored, `split.what` by name; InputError when the file is gone or its checksum differs."""
    if record.predictions is None:
        raise InputError(f"record {record.run_id} names no predictions", "run it again with --force")
    path = results / record.predictions["file"]
    try:
        if digest_of(path) != record.predictions["sha256"]:
            raise InputError(f"{path} has changed since its record was written", "run it again with --force")
        with safe_open(path, framework="numpy") as content:
            return {name: content.get_tensor(name) for name in (content.keys() if names is None else names)}
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read {path}: {error}", "run it again with --force") from None
