"""Records and predictions on disk: reading, writing, and finding the record of a run that is already stored."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from calibench.atomic import digest_of, replacing, write_json
from calibench.errors import CalibenchWarning, InputError
from calibench.lazy import np
from calibench.records import field_types, schemas
from calibench.records.reader import RecordReader, read_document
from calibench.records.record import ResultRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

RECORDS, PREDICTIONS, CACHE = "records", field_types.PREDICTIONS, "cache"
"""Folders under a results folder."""

INDICES = (".labels", ".ids")
"""Endings of the arrays of whole numbers, which an entry of a leaderboard stores in as few bytes as they need."""


class ChangedPredictionsError(InputError):
    """The checksum of a predictions file is not that of its record."""


def record_file(results: Path, run_id: str) -> Path:
    """The file of a run's record."""
    return results / RECORDS / f"{run_id}.json"


def read_record(path: Path) -> ResultRecord:
    """The record in one file. InputError if it cannot be read or is not a record."""
    return ResultRecord.from_dict(read_document(path), str(path))


def read_records(results: Path) -> list[ResultRecord]:
    """All records of a results folder, in the order of their run ids.

    InputError if the folder does not exist, or if a file in it cannot be read or is not a record.
    """
    folder = results / RECORDS
    if not folder.is_dir():
        raise InputError(f"there are no records under {str(results)!r}", "run first: calibench run --method vtst")
    reader = RecordReader()
    return [reader.read(path) for path in sorted(folder.glob("*.json"), key=lambda path: path.name)]


def folders_of(results: Path) -> list[Path]:
    """The folder itself; if it has no records, the folders in it that have, as those of leaderboards/."""
    inside = sorted(path.parent for path in results.glob(f"*/{RECORDS}") if path.is_dir())
    return [results] if (results / RECORDS).is_dir() or not inside else inside


def find_record(results: Path, run_id: str, code: str) -> ResultRecord | None:
    """The stored record of this run, if the same code made it and the checksum of its predictions is right; else None.

    A record that cannot be read, or whose predictions are damaged, is warned of.
    """
    path = record_file(results, run_id)
    if not path.is_file():
        return None
    try:
        record = read_record(path)
        if record.code == code and record.predictions is not None:
            read_predictions(results, record, names=())
            return record
    except InputError as error:
        warnings.warn(f"{error.message}; the run is made again", CalibenchWarning, stacklevel=2)
    return None


def write_run(results: Path, record: ResultRecord, arrays: Mapping[str, NDArray[Any]]) -> ResultRecord:
    """Write the predictions `arrays`, then the record with their file and checksum; each whole or not at all.

    Returns the record as written.
    """
    from safetensors.numpy import save_file

    file = results / PREDICTIONS / f"{record.run_id}.safetensors"
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with replacing(file) as temporary:
        # One entry: safetensors writes several in random order, and equal runs must give equal bytes.
        save_file(contiguous, temporary, metadata={"schema": schemas.PREDICTIONS})
    digest = digest_of(file)
    record = dataclasses.replace(record, predictions={"file": f"{PREDICTIONS}/{file.name}", "sha256": digest})
    write_json(record_file(results, record.run_id), record.to_dict())
    return record


def with_origin(
    results: Path, record: ResultRecord, preset: Mapping[str, Any] | None, tuned: Mapping[str, Any] | None
) -> ResultRecord:
    """The stored record with `preset` and the search `tuned` as what it came from, rewritten if that is a change.

    None changes nothing.
    """
    origin = {"preset": preset, "tuned": tuned}
    changed = {name: dict(value) for name, value in origin.items() if value not in (None, getattr(record, name))}
    if not changed:
        return record
    record = dataclasses.replace(record, **changed)  # type: ignore[arg-type]
    write_json(record_file(results, record.run_id), record.to_dict())
    return record


def read_predictions(
    results: Path, record: ResultRecord, names: Collection[str] | None = None
) -> dict[str, NDArray[Any]]:
    """The arrays that a run stored, by name (`test.logits`, `bootstrap.nll`). Of `names` those that are there; None: all.

    InputError if the record names no file, or if the file cannot be read or its checksum is wrong.
    """
    if record.predictions is None:
        raise InputError(f"record {record.run_id} names no predictions", "run it again with --force")
    path = results / record.predictions["file"]
    try:
        if digest_of(path) != record.predictions["sha256"]:
            message = f"{path} has changed since its record was written"
            raise ChangedPredictionsError(message, "run it again with --force")
        with safe_open(path, framework="numpy") as content:
            stored = content.keys()
            return {name: _widened(name, content.get_tensor(name)) for name in stored if names is None or name in names}
    except FileNotFoundError:
        raise InputError(f"there is no file {str(path)!r}", "run it again with --force") from None
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot read {path}: {error}", "run it again with --force") from None


def _widened(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Labels and ids as int64, whatever `submit` made of them; other arrays as they are."""
    return array.astype(np.int64) if name.endswith(INDICES) else array
