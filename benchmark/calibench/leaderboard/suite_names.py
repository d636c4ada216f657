"""The recipes of a suite's runs by the suite's own words: settings that differ by data set split no row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from calibench.records.record import ResultRecord


def named_by_suite(records: Iterable[ResultRecord]) -> list[ResultRecord]:
    """The records with the recipe as their suite writes it: `vtst` where the record says `ce:epochs=600+vtst:budget=paper`."""
    return [
        dataclasses.replace(record, recipe=word) if (word := (record.preset or {}).get("method")) else record
        for record in records
    ]
