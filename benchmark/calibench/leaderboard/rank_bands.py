"""Rank bands: methods whose figures cannot be told apart share a rank."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from calibench.leaderboard.replicates import Values, interval
from calibench.leaderboard.rows import Row


def with_ranks(rows: Sequence[Row], metric: str, replicates_of: Mapping[str, Values | None]) -> tuple[Row, ...]:
    """The rows, sorted from best to worst by `metric`, with the rank of the band that each is in.

    A band begins at its best row, whose place is the rank of all. It takes in each next row whose paired difference from that
    row has a 95 % interval that covers 0. A row without replicates is a band of its own; a row without the metric has no rank.
    `replicates_of` holds the replicates of `metric` by recipe.
    """
    ranked: list[Row] = []
    first_of_band: Values | None = None
    rank = 0
    for place, row in enumerate(rows, 1):
        if metric not in row.cells:
            ranked.append(row)
            continue
        replicates = replicates_of.get(row.recipe)
        if not _same_band(first_of_band, replicates):
            first_of_band, rank = replicates, place
        ranked.append(dataclasses.replace(row, rank=rank))
    return tuple(ranked)


def _same_band(first: Values | None, replicates: Values | None) -> bool:
    if first is None or replicates is None:
        return False
    gap = interval(replicates - first)
    return gap is not None and gap[0] <= 0 <= gap[1]
