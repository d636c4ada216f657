"""Find a stored record by its id, or by the beginning of it."""

from __future__ import annotations

from pathlib import Path

from calibench.errors import InputError, did_you_mean
from calibench.records import store
from calibench.records.record import ResultRecord


def find_record_by_id(folder: Path, run: str) -> ResultRecord:
    """The record whose id begins with `run`; InputError if there is none, or more than one."""
    ids = sorted(path.stem for path in (folder / store.RECORDS).glob("*.json"))
    found = [run] if run in ids else [name for name in ids if run and name.startswith(run)]
    if len(found) == 1:
        return store.read_record(folder / store.RECORDS / f"{found[0]}.json")
    if found:
        raise InputError(
            f"{len(found)} runs in {str(folder)!r} begin with {run!r}", f"such as {found[0]} and {found[1]}"
        )
    hint = did_you_mean(run, ids) if ids else "run first: calibench run --method vtst"
    raise InputError(f"there is no run {run!r} in {str(folder)!r}", hint)
