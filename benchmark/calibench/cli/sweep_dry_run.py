"""`calibench sweep --dry-run`: what is missing, and how long it will take."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from calibench.cli.json_output import emit_json
from calibench.cli.output import print_line, stdout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from calibench.config.suite import Suite
    from calibench.records.record import ResultRecord
    from calibench.runs.sweeps.cells import Cell

MOST_LINES = 1000
"""So many missing runs are listed by `--dry-run`."""


def say_missing(suite: Suite, cells: Sequence[Cell], results: Path, as_json: bool) -> None:
    """Print the runs without a record, and their time by the timings of the runs that are stored in `results`."""
    from calibench.runs.sweeps.cells import with_record
    from calibench.runs.sweeps.estimate import estimated_seconds
    from calibench.runs.sweeps.state import SweepState
    from calibench.runs.sweeps.sweep import missing_cells

    state = SweepState.read(results, suite.name)
    missing = missing_cells(cells, state)
    failed = [cell for cell in cells if cell.key in state.failed]
    stored = _stored(results)
    seconds = estimated_seconds(missing, stored)
    looked_at = with_record(missing, stored)
    if as_json:
        labels = [cell.label for cell in missing]
        document = {"suite": suite.name, "cells": len(cells), "missing": labels, "failed": [c.label for c in failed]}
        emit_json(document | {"with_record": [cell.label for cell in looked_at], "estimated_seconds": seconds})
        return
    print_line(
        stdout(),
        f"{suite.name}: {len(cells)} run{'' if len(cells) == 1 else 's'}, {len(missing)} missing, {len(failed)} failed earlier",
    )
    if looked_at:
        print_line(
            stdout(),
            f"{len(looked_at)} of them have a record with these settings, which a sweep keeps if code and data fit",
        )
    if missing and seconds is not None:
        took = datetime.timedelta(seconds=round(seconds))
        print_line(stdout(), f"they take {took} one after another, by the timings of the runs stored here")
    for cell in missing[:MOST_LINES]:
        print_line(stdout(), f"  {cell.label}")
    if len(missing) > MOST_LINES:
        print_line(stdout(), f"  and {len(missing) - MOST_LINES} more; --json lists all")


def _stored(results: Path) -> list[ResultRecord]:
    from calibench.records.store import RECORDS, read_records

    return read_records(results) if (results / RECORDS).is_dir() else []
