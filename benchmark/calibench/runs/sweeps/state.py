"""The state of a sweep on disk: which cells have a record, and which failed and why. It saves work; the records are the results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calibench.atomic import writable_folder, write_json
from calibench.cache.lock import locked
from calibench.files.regular_file import read_regular
from calibench.records import schemas, store
from calibench.records.failed_cells import SWEEPS, cell_of
from calibench.records.field_types import is_file_name
from calibench.records.remote import RemoteResults


@dataclass
class SweepState:
    """The cells of one sweep by key: `done` has the id of a run and the time of its record, `failed` the reason."""

    path: Path
    results: Path
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, dict[str, Any]] = field(default_factory=dict)
    remote: RemoteResults | None = None
    """Where the file is copied to."""

    @classmethod
    def read(cls, results: Path, name: str) -> SweepState:
        """The state of the sweep `name`; an empty one if there is none, or if the file is damaged."""
        path = results / SWEEPS / f"{name}.json"
        state = cls(path, results)
        try:
            document = json.loads(read_regular(path).decode("utf-8"))
        except (OSError, ValueError, RecursionError):
            return state
        if isinstance(document, Mapping) and document.get("schema") == schemas.SWEEP:
            done, failed = _objects(document.get("done")), _objects(document.get("failed"))
            state.done = {key: entry for key, entry in done.items() if is_file_name(entry.get("run_id"))}
            state.failed = {key: entry for key, entry in failed.items() if cell_of(entry) is not None}
        return state

    def is_done(self, key: str) -> bool:
        """True if the cell has a record that nobody has touched since."""
        entry = self.done.get(key)
        return entry is not None and entry.get("changed") == self._changed(str(entry.get("run_id")))

    def add_done(self, key: str, run_id: str) -> None:
        """The cell has its record."""
        self.failed.pop(key, None)
        self.done[key] = {"run_id": run_id, "changed": self._changed(run_id)}

    def add_failed(self, key: str, cell: Mapping[str, Any], message: str, hint: str) -> None:
        """The cell has failed; `cell` says what it is."""
        self.done.pop(key, None)
        self.failed[key] = {**cell, "message": message, "hint": hint}

    def write(self) -> None:
        """Write the state, with what another sweep of the same name has added meanwhile."""
        writable_folder(self.path.parent)
        if self.remote is not None:
            self.remote.fetch(SWEEPS, {self.path.name})
        with locked(self.results / store.CACHE, f"sweep-{self.path.stem}"):
            other = SweepState.read(self.results, self.path.stem)
            done = {**other.done, **self.done}
            failed = {key: value for key, value in {**other.failed, **self.failed}.items() if key not in self.done}
            document = {"schema": schemas.SWEEP, "done": done, "failed": failed}
            write_json(self.path, document)
        if self.remote is not None:
            self.remote.upload(self.path)

    def _changed(self, run_id: str) -> int | None:
        try:
            return (self.results / store.RECORDS / f"{run_id}.json").stat().st_mtime_ns
        except OSError:
            return None


def fetch_for_sweep(remote: RemoteResults, name: str) -> Path:
    """The mirror of the results at a URL, with what a sweep asks for: its state, all records, predictions of runs it does not know.

    The predictions of the others are on a machine that made them, or are fetched when a board is shown.
    """
    remote.fetch(SWEEPS, {f"{name}.json"})
    remote.fetch(store.RECORDS)
    state = SweepState.read(remote.mirror, name)
    known = {entry["run_id"] for key, entry in state.done.items() if state.is_done(key)}
    there = {path.stem for path in (remote.mirror / store.RECORDS).glob("*.json")}
    unknown = {f"{run_id}.safetensors" for run_id in there - known}
    if unknown:
        remote.fetch(store.PREDICTIONS, unknown)
    return remote.mirror


def _objects(entries: Any) -> dict[str, dict[str, Any]]:
    """The entries that are objects; none of a document where there are no entries."""
    return {k: v for k, v in entries.items() if isinstance(v, dict)} if isinstance(entries, Mapping) else {}
