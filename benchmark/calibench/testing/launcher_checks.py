"""Checks of a launcher: three small runs, one of which must fail."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from calibench.config.resolve import resolve
from calibench.config.run_config import RunConfig
from calibench.data.arrays import Arrays
from calibench.data.in_memory import as_dataset
from calibench.plugins.discovery import registry
from calibench.records import store
from calibench.runs.launchers.messages import Done, Event, Failed, Workers
from calibench.runs.options import RunOptions
from calibench.testing.any_item import Item, code_counts, documented, pickles, typed
from calibench.testing.recipe_run import MODEL
from calibench.testing.toy import toy_arrays
from calibench.testing.verdict import Check, FailsError

GOOD = 2
"""Runs that can be made; one more has rows that the data checks refuse."""


def _configs() -> list[RunConfig]:
    objective, model = (registry().default(family).spec.name for family in ("method", "model"))
    toy = toy_arrays()
    bad = Arrays(x=np.full_like(toy.x, np.nan), y=toy.y)
    return [
        resolve(objective, as_dataset(arrays), f"{model}:{MODEL}", seed=seed, epochs=1)
        for seed, arrays in ((0, toy), (1, toy), (2, bad))
    ]


def _launched(item: Item) -> tuple[list[Any], list[str]]:
    """The events, and the run ids that have a record."""

    def make() -> tuple[list[Any], list[str]]:
        with tempfile.TemporaryDirectory() as folder:
            results, logs = Path(folder) / "results", Path(folder) / "logs"
            logs.mkdir()
            workers, options = Workers(2, 1, logs), RunOptions(results=results)
            events = list(item.target(_configs(), options, workers, **item.own_parameters()))
            return events, sorted(path.stem for path in (results / store.RECORDS).glob("*.json"))

    launched: tuple[list[Any], list[str]] = item.shared("launched", make, "the launcher does not run")
    return launched


def every_run_ends(item: Item) -> str:
    """Each run ends in exactly one `Done` or `Failed`."""
    events, _ = _launched(item)
    stranger = next((event for event in events if not isinstance(event, Event)), None)
    if stranger is not None:
        raise FailsError(f"it yields a {type(stranger).__name__}", "yield calibench.runs.launchers.messages.Event")
    ended = [event.message.number for event in events if isinstance(event.message, Done | Failed)]
    if sorted(ended) != list(range(GOOD + 1)):
        raise FailsError(f"of runs 0, 1, 2 these ended: {ended}", "yield one Done or Failed a configuration")
    return f"{len(events)} events"


def records_there(item: Item) -> None:
    """A run that is done has its record."""
    events, records = _launched(item)
    done = sorted(event.message.run_id for event in events if isinstance(event.message, Done))
    if len(done) != GOOD or done != records:
        raise FailsError(f"{len(done)} runs are done and {len(records)} records are there, not {GOOD} each")


def failures_told(item: Item) -> None:
    """A run that cannot be made ends in a `Failed` with a message."""
    failed = [event.message for event in _launched(item)[0] if isinstance(event.message, Failed)]
    if [message.number for message in failed] != [GOOD] or not failed[0].message:
        raise FailsError("a run on rows of NaN does not end in a Failed with a message")


def spec_pickles(item: Item) -> None:
    """The spec pickles."""
    pickles(item.spec, "the spec")


CHECKS = (
    Check("documented", documented),
    Check("typed", typed),
    Check("every run ends", every_run_ends),
    Check("records", records_there, "calibench.runs.launchers.outcome.outcome_of makes a run and its record"),
    Check("failures", failures_told, "pass on the Failed that outcome_of returns"),
    Check("cache key", code_counts),
    Check("pickles", spec_pickles),
)
