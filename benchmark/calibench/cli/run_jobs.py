"""`calibench run --jobs N`: several runs at once, in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibench.cli.sweep_progress import sweep_progress
from calibench.errors import CalibenchError, InputError, RunError

if TYPE_CHECKING:
    from calibench.config.run_config import RunConfig
    from calibench.records.record import ResultRecord
    from calibench.runs.launchers.messages import Failed
    from calibench.runs.options import RunOptions


def launch_jobs(
    configs: Sequence[RunConfig], options: RunOptions, jobs: int, threads: int | None, quiet: bool
) -> tuple[list[ResultRecord], list[tuple[str, CalibenchError]]]:
    """The records of all runs in their order, and of those that failed the label and the error.

    The error of a single run is raised.
    """
    from calibench.atomic import writable_folder
    from calibench.records.failed_cells import SWEEPS
    from calibench.records.store import read_record
    from calibench.runs.launchers.local import launch
    from calibench.runs.launchers.messages import Done, Failed, Workers
    from calibench.runs.one_by_one import labels_of
    from calibench.runs.sweeps.cells import Cell

    if "RANK" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1":
        raise InputError("--jobs makes processes of its own, and torchrun has made some", "leave one of the two out")
    assert options.results is not None
    cells, labels = [Cell(config, "") for config in configs], labels_of(configs)
    done: dict[int, str] = {}
    failed: dict[int, Failed] = {}
    share = threads or max(1, (os.cpu_count() or 1) // jobs)
    logs = options.results / SWEEPS / "logs"
    writable_folder(logs)
    with sweep_progress("run", cells, silent=quiet) as hear:
        for event in launch(configs, options, Workers(jobs, share, logs)):
            if isinstance(event.message, Done):
                done[event.message.number] = event.message.run_id
            elif isinstance(event.message, Failed):
                failed[event.message.number] = event.message
            hear(cells[event.message.number], event)
    errors = {number: _error(failed[number]) for number in sorted(failed)}
    if len(configs) == 1 and errors:
        raise errors[0]
    records = [read_record(options.results / "records" / f"{done[number]}.json") for number in sorted(done)]
    return records, [(labels[number], error) for number, error in errors.items()]


def _error(failed: Failed) -> CalibenchError:
    """The error that ended a run in another process."""
    return (InputError if failed.mistake else RunError)(failed.message, failed.hint)
