"""Cells that failed: runs of a sweep that ended without a record, each with its reason, so that boards can show them.

A sweep remembers them in `sweeps/SUITE.json`; `calibench submit` keeps them in `failed.json`, beside the entries:

```json
{"schema": "calibench.failed/1", "cells": [{"recipe": "ce+temperature", "dataset": "wine", "model": "mlp", "noise": null,
  "seed": 1, "message": "temperature: ...", "hint": "", "suite": "quick-v1", "sha256": "a1e8..."}]}
```
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibench.atomic import write_json
from calibench.errors import InputError
from calibench.files.regular_file import read_regular
from calibench.records import schemas
from calibench.records.reader import read_document
from calibench.records.record import ResultRecord

FILE = "failed.json"
SWEEPS = "sweeps"
"""The folder under a results folder that holds the states of sweeps, and the logs of workers."""

Key = tuple[str, str, str, str | None, int]


@dataclass(frozen=True)
class FailedCell:
    """One run that failed: what it was, the `message` of its error with a `hint`, and the suite with the SHA-256 of its text."""

    recipe: str
    dataset: str
    model: str
    noise: str | None
    seed: int
    message: str
    hint: str = ""
    suite: str | None = None
    sha256: str | None = None
    method: str | None = None
    """The recipe as the suite writes it."""

    @property
    def key(self) -> Key:
        """What the run was."""
        return self.recipe, self.dataset, self.model, self.noise, self.seed


def key_of(record: ResultRecord) -> Key:
    """The same of a run that has a record."""
    return record.recipe, record.dataset, record.model, record.noise, record.seed


def without_record(cells: Iterable[FailedCell], records: Iterable[ResultRecord]) -> list[FailedCell]:
    """The cells of which there is no record: a cell that was made later has not failed. Each once, the last one counts."""
    made = {key_of(record) for record in records}
    return [cell for key, cell in {cell.key: cell for cell in cells}.items() if key not in made]


def read_failed(results: Path) -> list[FailedCell]:
    """The failed cells of a results folder: those in `failed.json`, and those of its sweeps.

    InputError if `failed.json` cannot be read. A damaged state of a sweep is passed over, as the sweep itself does.
    """
    cells = read_failed_file(results / FILE) if (results / FILE).is_file() else []
    for path in sorted((results / SWEEPS).glob("*.json")):
        cells += _of_sweep(path)
    return cells


def read_failed_file(path: Path) -> list[FailedCell]:
    """The cells in a `failed.json`; InputError names the cell that is not one."""
    document = read_document(path)
    entries = document.get("cells") if isinstance(document, Mapping) else None
    if not isinstance(entries, list) or document.get("schema") != schemas.FAILED:
        raise InputError(f"{path}: it is not a document {schemas.FAILED!r}", "write it with calibench submit")
    cells = [cell_of(entry) for entry in entries]
    if None in cells:
        message = f"{path}: cell {cells.index(None) + 1} needs recipe, dataset, model, noise, seed and message"
        raise InputError(message, "write the file with calibench submit")
    return [cell for cell in cells if cell is not None]


def write_failed_file(path: Path, cells: Iterable[FailedCell]) -> None:
    """Write the cells in a fixed order, whole or not at all; without cells there is no file."""
    ordered = sorted(cells, key=lambda cell: (*cell.key[:3], cell.noise or "", cell.seed))
    if ordered:
        write_json(path, {"schema": schemas.FAILED, "cells": [dataclasses.asdict(cell) for cell in ordered]})
    else:
        path.unlink(missing_ok=True)


def cell_of(entry: Any) -> FailedCell | None:
    """The cell that a JSON object describes; None if it is not one."""
    if not isinstance(entry, Mapping):
        return None
    texts = ("recipe", "dataset", "model", "message")
    optional = ("noise", "hint", "suite", "sha256", "method")
    seed = entry.get("seed")
    sound = (
        all(isinstance(entry.get(name), str) for name in texts)
        and all(entry.get(name) is None or isinstance(entry.get(name), str) for name in optional)
        and isinstance(seed, int)
        and not isinstance(seed, bool)
    )
    if not sound or "noise" not in entry:
        return None
    present = {field.name: entry[field.name] for field in dataclasses.fields(FailedCell) if field.name in entry}
    return FailedCell(**{**present, "hint": present.get("hint") or ""})


def _of_sweep(path: Path) -> list[FailedCell]:
    try:
        document = json.loads(read_regular(path).decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    failed = (
        document.get("failed") if isinstance(document, Mapping) and document.get("schema") == schemas.SWEEP else None
    )
    entries = failed.values() if isinstance(failed, Mapping) else ()
    cells = (cell_of({**entry, "suite": path.stem}) if isinstance(entry, Mapping) else None for entry in entries)
    return [cell for cell in cells if cell is not None]
