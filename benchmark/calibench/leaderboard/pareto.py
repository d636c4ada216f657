"""Quality against cost: the seconds of a recipe, and the recipes that no other beats in both."""

from __future__ import annotations

from collections.abc import Mapping

from calibench.records.record import ResultRecord

NOT_OF_THE_RECIPE = ("data", "judge", "shift", "ood", "total")
"""Timings that every recipe has alike: reading data, and judging."""


def seconds_of(record: ResultRecord) -> float:
    """The seconds of training and fitting, as if no stage came from the cache: a cached stage has those of its training."""
    return sum(seconds for stage, seconds in record.timings_s.items() if stage not in NOT_OF_THE_RECIPE)


JITTER = 0.1
"""Costs that differ by no more than this share of the smaller one are equal: the clock tells them no better apart."""


def pareto_front(points: Mapping[str, tuple[float, float]], better: str) -> list[str]:
    """The names of the points (cost, quality) on the Pareto front, cheapest first.

    A point is on it unless another is better and costs no more, or is as good and costs less. Costs within `JITTER` are equal.
    `better` is the direction of quality, `lower` or `higher`; a lower cost is better.
    """
    sign = 1.0 if better == "lower" else -1.0
    ordered = sorted((cost, sign * quality, name) for name, (cost, quality) in points.items())
    front = []
    for cost, quality, name in ordered:
        beaten = any(
            (other < quality and seconds <= cost * (1 + JITTER)) or (other == quality and seconds * (1 + JITTER) < cost)
            for seconds, other, _ in ordered
        )
        if not beaten:
            front.append(name)
    return front
