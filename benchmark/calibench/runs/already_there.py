"""The search for a run that is there already: stored under its id, by the same code, with unchanged predictions."""

from __future__ import annotations

from calibench.config.run_config import RunConfig
from calibench.metrics.load import load_metrics
from calibench.processes import Processes
from calibench.records import store
from calibench.records.record import ResultRecord
from calibench.runs.identity import Identity
from calibench.runs.options import RunOptions


def stored_record(
    config: RunConfig, identity: Identity, options: RunOptions, processes: Processes, may_cache: bool
) -> ResultRecord | None:
    """The stored record of this run, for all processes, or None if it must be run, as for other metrics or intervals.

    If the record came from another preset or search, it is rewritten with those of this run.
    """
    if options.results is None:
        return None
    record = None
    if processes.first and may_cache and not options.force:
        record = store.find_record(options.results, identity.run_id, identity.code)
    if record is not None and not _holds(record, options):
        record = None
    if record is not None:
        record = store.with_origin(options.results, record, config.preset, config.tuned)
    return processes.same(record)


def _holds(record: ResultRecord, options: RunOptions) -> bool:
    """True if the record has the metrics that the options name, and intervals of their level and resamples."""
    sampling = (record.bootstrap.get("resamples"), record.bootstrap.get("level"), record.bootstrap.get("seed"))
    return sampling == tuple(options.sampling) and set(named_metrics(options.metrics)) <= set(record.named_metrics)


def named_metrics(metrics: str | None) -> list[str]:
    """The names of metrics besides the default set."""
    return [] if metrics is None else [name for name, (spec, _) in load_metrics(metrics).items() if spec.optional]
