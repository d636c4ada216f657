"""The search for a run that is there already: stored under its id, by the same code, with figures that its predictions give."""

from __future__ import annotations

import warnings

from calibench.config.run_config import RunConfig
from calibench.data.prepare import Data
from calibench.errors import CalibenchWarning, InputError
from calibench.metrics.load import load_metrics
from calibench.processes import Processes
from calibench.records import store
from calibench.records.record import ResultRecord
from calibench.runs.figures_again import faults_of_arrays, faults_of_figures, faults_of_labels
from calibench.runs.identity import Identity
from calibench.runs.options import RunOptions


def stored_record(
    config: RunConfig, data: Data, identity: Identity, options: RunOptions, processes: Processes
) -> ResultRecord | None:
    """The stored record of this run, for all processes, or None if it must be run, as for other metrics or intervals.

    A record that was damaged or edited is warned of, and the run is made again. If the record came from another preset or search,
    it is rewritten with those of this run.
    """
    if options.results is None:
        return None
    record = None
    if processes.first and not options.force:
        record = store.find_record(options.results, identity.run_id, identity.code)
    if record is not None and (not _holds(record, options) or _is_edited(record, data, options)):
        record = None
    if record is not None:
        record = store.with_origin(options.results, record, config.preset, config.tuned)
    return processes.same(record)


def _is_edited(record: ResultRecord, data: Data, options: RunOptions) -> bool:
    """True, with a warning, if figures do not follow from the predictions, or labels are not those of the data."""
    assert options.results is not None
    try:
        arrays = store.read_predictions(options.results, record)
        found = [*faults_of_arrays(record, arrays)] or [
            *faults_of_figures(record, arrays),
            *faults_of_labels(data, arrays),
        ]
    except InputError as error:
        found = [error.message]
    if found:
        more = f", and {len(found) - 1} more such faults" if len(found) > 1 else ""
        message = f"record {record.run_id} was edited or damaged, and the run is made again: {found[0]}{more}"
        warnings.warn(message, CalibenchWarning, stacklevel=2)
    return bool(found)


def _holds(record: ResultRecord, options: RunOptions) -> bool:
    """True if the record has the metrics that the options name, and intervals of their level and resamples."""
    sampling = (record.bootstrap.get("resamples"), record.bootstrap.get("level"), record.bootstrap.get("seed"))
    return sampling == tuple(options.sampling) and set(named_metrics(options.metrics)) <= set(record.named_metrics)


def named_metrics(metrics: str | None) -> list[str]:
    """The names of metrics besides the default set."""
    return [] if metrics is None else [name for name, (spec, _) in load_metrics(metrics).items() if spec.optional]
