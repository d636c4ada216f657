"""The recipes of a suite's runs by the suite's own words: settings that differ by data set split no row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from calibench.records.failed_cells import FailedCell
from calibench.records.record import ResultRecord


def named_by_suite(records: Iterable[ResultRecord]) -> list[ResultRecord]:
    """The records with the recipe as their suite writes it: `vtst` where the record says `ce:epochs=600+vtst:budget=paper`."""
    return [
        dataclasses.replace(record, recipe=word) if (word := (record.preset or {}).get("method")) else record
        for record in records
    ]


def failed_named_by_suite(cells: Iterable[FailedCell]) -> list[FailedCell]:
    """The failed runs under the same names."""
    return [dataclasses.replace(cell, recipe=cell.method) if cell.method else cell for cell in cells]
