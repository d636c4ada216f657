"""ResultRecord: one run as one JSON file, with its predictions beside it; imports no torch, so a board rebuilds anywhere."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from calibench.atomic import digest_of, replacing, write_json
from calibench.errors import InputError
from calibench.record_fields import fits

SCHEMA = "calibench.record/1"
RECORDS, PREDICTIONS, CACHE = "records", "predictions", "cache"
"""Folders under a results folder."""


@dataclass(frozen=True)
class ResultRecord:
    """What one run found and all that decided it. Figures are fractions (nats for NLL); None is an undefined figure."""

    run_id: str
    recipe: str
    dataset: str
    model: str
    seed: int
    noise: str | None
    backend: str
    n: dict[str, int]
    metrics: dict[str, float | None]
    intervals: dict[str, list[float] | None]
    noise_floor: dict[str, dict[str, float]]
    timings_s: dict[str, float]
    versions: dict[str, str]
    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    """For each metric its unit, which direction is better, and whether it may rank."""
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    fitted: list[dict[str, Any]] = field(default_factory=list)
    """For each stage what it learned: the epoch kept and its validation NLL, a temperature."""
    config: dict[str, Any] = field(default_factory=dict)
    seeds: dict[str, int] = field(default_factory=dict)
    bootstrap: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    cache: dict[str, list[str]] = field(default_factory=dict)
    shift: list[dict[str, Any]] = field(default_factory=list)
    """A row for each variant of each shift that was asked for; their means are in `metrics`."""
    ood: list[dict[str, Any]] = field(default_factory=list)
    """A row for each OOD set and score; near and far means are in `metrics`."""
    predictions: dict[str, str] | None = None
    created: str = ""
    preset: dict[str, Any] | None = None
    """The preset that asked for the run: its name, the SHA-256 of its text, and what was changed."""
    schema: str = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """The JSON document, `schema` first."""
        document = dataclasses.asdict(self)
        return {"schema": document.pop("schema"), **document}

    def __getitem__(self, key: str) -> Any:
        """The document's entry, so that `record["metrics"]` reads as the JSON does."""
        return self.to_dict()[key]

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str) -> ResultRecord:
        """The record that a JSON document holds; InputError naming `where` when it is no record of ours."""
        if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
            schema = document.get("schema") if isinstance(document, Mapping) else None
            raise InputError(f"{where}: its schema is {schema!r}, not {SCHEMA!r}", "is it a record of another version?")
        names = {f.name: f for f in dataclasses.fields(cls)}
        missing = [
            name
            for name, f in names.items()
            if name not in document and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        ]
        if missing:
            raise InputError(f"{where}: the record has no {', '.join(missing)}", "run it again with --force")
        bad = next((name for name in names if name in document and not fits(name, document[name])), None)
        if bad is not None:
            raise InputError(f"{where}: {bad!r} is not what a record holds there", "run it again with --force")
        return cls(**{name: document[name] for name in names if name in document})


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
