"""Verify the failed cells of a folder of entries: their form, that they have no record, and that their suite has them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from calibench.config.suite import Suite, load_suite
from calibench.errors import CalibenchError, InputError
from calibench.leaderboard.suite_runs import key_of_run
from calibench.records.failed_cells import FailedCell, Key, read_failed_file


def faults_of_failed(path: Path, made: Collection[Key]) -> Iterator[str]:
    """A sentence for each fault of a `failed.json`; `made` are the runs that have a record. The failures are not repeated."""
    try:
        cells = read_failed_file(path)
    except InputError as error:
        yield error.message
        return
    seen: set[Key] = set()
    suites: dict[str, tuple[Suite, set[Key]] | None] = {}
    for cell in cells:
        name = f"{cell.recipe} on {cell.dataset}, seed {cell.seed}"
        if cell.key in seen:
            yield f"{name} stands twice"
        if cell.key in made:
            yield f"{name} has a record, so it has not failed"
        seen.add(cell.key)
        if cell.suite is not None:
            if cell.suite not in suites:
                suites[cell.suite] = _suite(cell.suite)
            yield from _of_suite(cell, name, suites[cell.suite])


def keys_of(suite: Suite) -> set[Key]:
    """Every run of a suite."""
    return {key_of_run(config) for config in suite.configs()}


def _suite(name: str) -> tuple[Suite, set[Key]] | None:
    try:
        suite = load_suite(name)
        return suite, keys_of(suite)
    except CalibenchError:
        return None


def _of_suite(cell: FailedCell, name: str, found: tuple[Suite, set[Key]] | None) -> Iterator[str]:
    if found is None:
        return
    suite, runs = found
    if cell.sha256 != suite.sha256:
        made_by = f"{str(cell.sha256)[:12]}, here {suite.sha256[:12]}"
        yield f"{name}: it failed in another version of suite {suite.name}: {made_by}"
    elif cell.key not in runs:
        yield f"{name}: suite {suite.name} has no such run"
