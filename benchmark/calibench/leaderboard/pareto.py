"""Quality against cost: the seconds of a recipe, and the recipes that no other beats in both."""

from __future__ import annotations

from collections.abc import Mapping

from calibench.records.record import ResultRecord

NOT_OF_THE_RECIPE = ("data", "judge", "shift", "ood", "total")
"""Timings that every recipe has alike: reading data, and judging."""


def seconds_of(record: ResultRecord) -> float:
    """The seconds of training and fitting, as if no stage came from the cache: a cached stage has those of its training."""
    return sum(seconds for stage, seconds in record.timings_s.items() if stage not in NOT_OF_THE_RECIPE)


def pareto_front(points: Mapping[str, tuple[float, float]], better: str) -> list[str]:
    """The names of the points (cost, quality) on the Pareto front, cheapest first.

    A point is on it if no other costs as little or less and is at least as good, with one of the two strictly so. `better` is
    the direction of quality, `lower` or `higher`; a lower cost is better.
    """
    sign = 1.0 if better == "lower" else -1.0
    front: list[str] = []
    best = float("inf")
    for cost, quality, name in sorted((cost, sign * quality, name) for name, (cost, quality) in points.items()):
        equal = bool(front) and (cost, quality) == (points[front[-1]][0], sign * points[front[-1]][1])
        if quality < best or equal:
            front.append(name)
            best = quality
    return front
