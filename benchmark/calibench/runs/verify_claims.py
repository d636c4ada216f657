"""Verify what a record says of itself: its id, its names and its suite, against its configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from calibench.config.part_text import bound_part
from calibench.config.run_config import id_of, run_id_of
from calibench.config.suite import Suite, load_suite
from calibench.errors import CalibenchError
from calibench.leaderboard.suite_runs import is_run_of
from calibench.records.record import ResultRecord

Suites = dict[str, Suite | None]
"""Suites by name; None for one that is not here."""


def faults_of_claims(record: ResultRecord, path: Path, suites: Suites) -> Iterator[str]:
    """A sentence for each claim of a record that its configuration does not bear out."""
    yield from _of_id(record, path)
    yield from _of_names(record)
    yield from _of_suite(record, suites)


def _of_id(record: ResultRecord, path: Path) -> Iterator[str]:
    if path.stem != record.run_id:
        yield f"the file is called {path.stem}, and holds {record.run_id}"
    fingerprints = [record.data.get("fingerprint"), *dict.fromkeys(row.get("fingerprint") for row in record.ood)]
    fingerprint = "+".join(map(str, fingerprints))
    expected = id_of(record.config, fingerprint)
    if not record.run_id.endswith(f"-{expected}"):
        yield f"its id ends in {record.run_id[-12:]}, and its configuration and data give {expected}"
        return
    with contextlib.suppress(KeyError, TypeError):  # a configuration of an earlier form
        whole = run_id_of(record.config, fingerprint)
        if record.run_id != whole:
            yield f"its id is {record.run_id}, and its configuration gives {whole}"


def _of_names(record: ResultRecord) -> Iterator[str]:
    """The texts under which boards show the run, and its seed."""
    config = record.config
    for name in ("recipe", "seed"):
        if name in config and config[name] != getattr(record, name):
            yield f"its {name} is {getattr(record, name)}, and its configuration has {config[name]}"
    for family in ("dataset", "model", "noise"):
        part, text = config.get(family), getattr(record, family)
        if part is None:
            if text is not None:
                yield f"its {family} is {text}, and its configuration has none"
        elif isinstance(part, Mapping):
            expected = _text(family, part)
            if expected is not None and text != expected:
                yield f"its {family} is {text}, and its configuration has {expected}"
    if record.tuned is not None:
        yield from _of_search(record)


def _text(family: str, part: Mapping[str, Any]) -> str | None:
    """The text of a part; None if its plugin is not here, or not in the form that made the record."""
    bound = bound_part(family, part)
    known = bound is not None and set(bound.params) >= set(part.get("params") or {})
    return bound.text() if known and bound is not None else None


def _of_search(record: ResultRecord) -> Iterator[str]:
    """The values that a search chose are those of the configuration."""
    tuned = record.tuned or {}
    stages = [stage for stage in record.config.get("stages") or () if isinstance(stage, Mapping)]
    params = {
        f"{stage.get('name')}.{key}": value for stage in stages for key, value in (stage.get("params") or {}).items()
    }
    chosen = tuned.get("chosen")
    for name, value in (chosen if isinstance(chosen, Mapping) else {}).items():
        if params.get(str(name)) != value:
            yield f"its search chose {name} = {value}, and its configuration has {params.get(str(name))}"


def _of_suite(record: ResultRecord, suites: Suites) -> Iterator[str]:
    """A run that claims a suite is one of its runs, of the version that is here."""
    preset = record.preset or {}
    if not preset.get("suite"):
        return
    name = str(preset.get("name"))
    if name not in suites:
        suites[name] = _suite(name)
    suite = suites[name]
    if suite is None:
        return
    if suite.sha256 != preset.get("sha256"):
        yield f"it was made by another version of suite {name}: {str(preset.get('sha256'))[:12]}, here {suite.sha256[:12]}"
    elif not preset.get("changed") and not is_run_of(suite, record):
        yield f"suite {name} has no run with its settings, its data and its metric"


def _suite(name: str) -> Suite | None:
    try:
        return load_suite(name)
    except CalibenchError:
        return None
