"""The runs of a suite among records: those whose settings are those of one of its runs, whichever command made them."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.records.failed_cells import FailedCell, Key
from calibench.records.record import ResultRecord

if TYPE_CHECKING:
    from calibench.config.run_config import RunConfig
    from calibench.config.suite import Suite

Mark = tuple[Mapping[str, Any], str | None]
"""What a run of a suite has as its `preset`, and the fingerprint of its data before noise, if the suite freezes it."""


def runs_of_suite(suite: Suite, records: Iterable[ResultRecord], where: object) -> list[ResultRecord]:
    """Those `records` that are runs of this version of the suite, under its mark; InputError, naming `where`, if there are none.

    A run that `run` or an earlier version of the suite made is one of its runs too, if its settings and its data are those that
    the suite asks for, and it has the metric that ranks; `sweep` does not make it again either. Runs on data that the user had in
    place of the suite's (`--data`) count by their mark alone.
    """
    own = [marked for record in records if (marked := _marked(suite, record)) is not None]
    if not own:
        message = f"{str(where)!r} has no run of this version of suite {suite.name}"
        raise InputError(message, f"make them: calibench sweep {suite.file or suite.name}")
    return own


def is_run_of(suite: Suite, record: ResultRecord) -> bool:
    """True if the record is a run of this version of the suite."""
    return _marked(suite, record) is not None


def missing_runs(suite: Suite, records: Iterable[ResultRecord], failed: Iterable[FailedCell]) -> list[RunConfig]:
    """The runs of the suite that have no record among `records` and did not fail."""
    there = {_settings(record.config) for record in records}
    lost = {cell.key for cell in failed if suite.has(cell)}
    return [
        config
        for config in suite.configs()
        if _settings(config.document()) not in there and key_of_run(config) not in lost
    ]


def key_of_run(config: RunConfig) -> Key:
    """What names a run in a list of failed ones."""
    noise = None if config.noise is None else config.noise.text()
    return (config.recipe, config.dataset.text(), config.model.text(), noise, config.seed)


def _marked(suite: Suite, record: ResultRecord) -> ResultRecord | None:
    preset = record.preset or {}
    if preset.get("sha256") == suite.sha256 and preset.get("changed"):
        return record
    mark, fingerprint = _marks(suite).get(_settings(record.config), ({}, None))
    same_data = fingerprint is None or record.data.get("clean_fingerprint") == fingerprint
    if not mark or not same_data or suite.primary not in record.metrics:
        return None
    return record if preset == mark else dataclasses.replace(record, preset=dict(mark))


@functools.lru_cache(maxsize=8)
def _marks(suite: Suite) -> dict[str, Mark]:
    """The mark of each run of the suite, by its settings."""
    return {_settings(run.document()): (run.preset or {}, run.data_fingerprint) for run in suite.configs()}


def _settings(document: Mapping[str, Any]) -> str:
    """A configuration as a text without its device, which is no part of a protocol."""
    settings = {key: value for key, value in document.items() if key != "device"}
    return json.dumps(settings, sort_keys=True)
