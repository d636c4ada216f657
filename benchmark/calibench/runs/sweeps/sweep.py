"""`sweep`: make the runs of a suite that are missing, on all cores, and say how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from calibench.atomic import filling_folder
from calibench.plugins.discovery import registry
from calibench.plugins.events import SweepCellFinished
from calibench.plugins.lifecycle import tell_all
from calibench.records.failed_cells import SWEEPS
from calibench.records.remote import RemoteResults
from calibench.runs.launchers.choose import Launch, choose_launcher, launch_of
from calibench.runs.launchers.messages import Busy, Done, Event, Failed, Progress, Workers
from calibench.runs.options import RunOptions
from calibench.runs.sweeps.cells import Cell
from calibench.runs.sweeps.state import SweepState
from calibench.runs.trackers import trackers_of

WRITE_SECONDS = 10.0
"""Least time between two writes of the state, while runs end."""

WRITE_SHARE = 0.05
"""Most of the time that writes of the state may take."""


@dataclass
class Swept:
    """The cells of a sweep after it: how many had a record before, how many got one now, and those that failed."""

    cells: list[Cell]
    before: int = 0
    made: int = 0
    failed: list[tuple[Cell, Failed]] = field(default_factory=list)


Hear = Callable[[Cell, Event], None]
"""Called with each message of a worker, and the cell that it is about."""


def missing_cells(cells: Sequence[Cell], state: SweepState, *, retry_failed: bool = False) -> list[Cell]:
    """The cells without a record; those that failed earlier count only with `retry_failed`."""
    return [cell for cell in cells if not state.is_done(cell.key) and (retry_failed or cell.key not in state.failed)]


def sweep(
    name: str,
    cells: Sequence[Cell],
    options: RunOptions,
    *,
    jobs: int | None = None,
    threads: int = 1,
    launch: Launch | None = None,
    retry_failed: bool = False,
    hear: Hear = lambda cell, event: None,
) -> Swept:
    """Make the missing runs of the sweep `name`, `jobs` at once; a cell that fails is remembered, and the others go on.

    `launch` makes them; None is the default launcher.

    The same call after a kill makes what is still missing. Two sweeps of one folder share the work.
    """
    results = options.results
    assert results is not None
    state = SweepState.read(results, name)
    state.remote = RemoteResults(options.remote) if options.remote is not None else None
    missing = missing_cells(cells, state, retry_failed=retry_failed)
    swept = Swept(list(cells), before=sum(state.is_done(cell.key) for cell in cells))
    if missing:
        logs = results / SWEEPS / "logs"
        with filling_folder(logs):  # a launcher that refuses the runs leaves nothing behind
            events = (launch or launch_of(choose_launcher()))(
                [cell.config for cell in missing], options, Workers(jobs, threads, logs)
            )
            _make(missing, events, state, swept, _told(name, swept, options, hear))
    known = {cell.key for cell in missing}
    for cell in cells:
        if cell.key in state.failed and cell.key not in known:
            entry = state.failed[cell.key]
            swept.failed.append((cell, Failed(-1, str(entry.get("message")), str(entry.get("hint")))))
    return swept


def _make(missing: Sequence[Cell], events: Iterable[Event], state: SweepState, swept: Swept, hear: Hear) -> None:
    """Hear all events, and write what they change."""
    due, ended = time.monotonic() + WRITE_SECONDS, 0
    try:
        for event in events:
            message = event.message
            cell = missing[message.number]
            if isinstance(message, Done):
                swept.made += not message.there_already
                swept.before += message.there_already
                state.add_done(cell.key, message.run_id)
            elif isinstance(message, Failed):
                swept.failed.append((cell, message))
                state.add_failed(cell.key, _about(cell), message.message, message.hint)
            ended += isinstance(message, Done | Failed)
            hear(cell, event)
            if not isinstance(message, Progress | Busy) and (start := time.monotonic()) >= due:
                state.write()
                end = time.monotonic()
                due = end + max(WRITE_SECONDS, (end - start) / WRITE_SHARE)
    finally:
        getattr(events, "close", lambda: None)()  # ends the workers of a sweep that is cut off
        if ended:
            state.write()


def _told(name: str, swept: Swept, options: RunOptions, hear: Hear) -> Hear:
    """The function that hears of messages, which also tells listeners of each run that ends."""
    listeners = [*registry().listeners, *trackers_of(options.track)]
    if not listeners:
        return hear
    ended = swept.before

    def heard(cell: Cell, event: Event) -> None:
        nonlocal ended
        hear(cell, event)
        message, config = event.message, cell.config
        if isinstance(message, Progress | Busy):
            return
        ended += 1
        made = message if isinstance(message, Done) else None
        finished = SweepCellFinished(
            sweep=name,
            recipe=config.recipe,
            dataset=config.dataset.text(),
            model=config.model.text(),
            noise=None if config.noise is None else config.noise.text(),
            seed=config.seed,
            run_id="" if made is None else made.run_id,
            error=message.message if isinstance(message, Failed) else "",
            there_already=made is not None and made.there_already,
            seconds=None if made is None else made.seconds,
            done=ended,
            total=len(swept.cells),
        )
        tell_all(listeners, "calibench_sweep_cell_finished", finished)

    return heard


def _about(cell: Cell) -> dict[str, Any]:
    config = cell.config
    return {
        "recipe": config.recipe,
        "dataset": config.dataset.text(),
        "model": config.model.text(),
        "noise": None if config.noise is None else config.noise.text(),
        "seed": config.seed,
        "method": (config.preset or {}).get("method"),
    }
