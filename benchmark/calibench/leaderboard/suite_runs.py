"""The runs of a suite among records: those whose settings are those of one of its runs, whichever command made them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any

from calibench.config.suite import Suite
from calibench.errors import InputError
from calibench.records.record import ResultRecord


def runs_of_suite(suite: Suite, records: Iterable[ResultRecord], where: object) -> list[ResultRecord]:
    """Those `records` that are runs of this version of the suite, under its mark; InputError, naming `where`, if there are none.

    A run that `run` or an earlier version of the suite made is one of its runs too, if its settings, its data and its metrics
    are those that the suite asks for; `sweep` does not make it again either.
    """
    own: list[ResultRecord] = []
    marks: dict[str, tuple[Mapping[str, Any] | None, str | None]] = {}
    for record in records:
        if (record.preset or {}).get("sha256") == suite.sha256:
            own.append(record)
            continue
        marks = marks or {_settings(run.document()): (run.preset, run.data_fingerprint) for run in suite.configs()}
        mark, fingerprint = marks.get(_settings(record.config), (None, None))
        same_data = fingerprint is None or record.data.get("clean_fingerprint") == fingerprint
        if mark is not None and same_data and set(suite.metrics) <= record.metrics.keys():
            own.append(dataclasses.replace(record, preset=dict(mark)))
    if not own:
        message = f"{str(where)!r} has no run of this version of suite {suite.name}"
        raise InputError(message, f"make them: calibench sweep {suite.file or suite.name}")
    return own


def _settings(document: Mapping[str, Any]) -> str:
    """A configuration as a text without its device, which is no part of a protocol."""
    settings = {key: value for key, value in document.items() if key != "device"}
    return json.dumps(settings, sort_keys=True)
