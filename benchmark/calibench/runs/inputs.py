"""The inputs of a run, read before it trains: its data, the shifts of the test split, and the OOD sets."""

from __future__ import annotations

import time
from dataclasses import dataclass

from calibench.config.run_config import RunConfig
from calibench.data.folder import using_data_folder
from calibench.data.load import load_data
from calibench.data.load_shifts import Shift, load_shifts
from calibench.data.ood import OodSet, load_ood
from calibench.data.prepare import Data
from calibench.errors import InputError
from calibench.processes import Processes
from calibench.progress import Report
from calibench.runs.options import RunOptions


@dataclass(frozen=True)
class Inputs:
    """The data of a run, checked and split, with its shifts and OOD sets; `seconds` is the time that reading took."""

    data: Data
    shifts: list[Shift]
    ood_sets: list[OodSet]
    seconds: float


def load_inputs(config: RunConfig, options: RunOptions, processes: Processes, report: Report) -> Inputs:
    """Read the inputs of a run; the first process goes ahead, so that a download happens once.

    Raises InputError for data that cannot be read, and for a data folder or a download that nothing asks for.
    """
    start = time.perf_counter()
    with processes.first_alone(), using_data_folder(options.data_dir, options.download, report) as folder:
        data = load_data(config)
        refuse_other_data(config, data)
        shifts = load_shifts(config.shift_and_ood.shifts, data)
        ood_sets = load_ood(config.shift_and_ood.ood, data)
    if not folder.was_used and (options.data_dir is not None or options.download):
        idle = "a data folder" if options.data_dir is not None else "a download"
        message = f"dataset {config.dataset.name!r} reads no published files: {idle} would do nothing"
        raise InputError(message, "leave out --data-dir and --download (data_dir, download)")
    return Inputs(data, shifts, ood_sets, time.perf_counter() - start)


def refuse_other_data(config: RunConfig, data: Data) -> None:
    """InputError for data that are not those of the suite that the configuration came from."""
    if config.data_fingerprint not in (None, data.clean_fingerprint):
        suite = dict(config.preset or {}).get("name")
        message = f"dataset {config.dataset.name!r} has the fingerprint {data.clean_fingerprint[:12]}..., and suite {suite} is "
        raise InputError(
            f"{message}frozen on {str(config.data_fingerprint)[:12]}...", "use the revision that the suite names"
        )
