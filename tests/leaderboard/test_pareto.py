"""The Pareto front against its definition, and the seconds of a recipe."""

from __future__ import annotations

import numpy as np
import pytest
from board_records import unstored_record

from calibench.leaderboard.pareto import pareto_front, seconds_of


def dominated(name, points, better):
    """True if some other point is as good in both and better in one: the definition."""
    sign = 1 if better == "lower" else -1
    cost, quality = points[name]
    return any(
        c <= cost and sign * q <= sign * quality and (c < cost or sign * q < sign * quality)
        for other, (c, q) in points.items()
        if other != name
    )


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_the_front_holds_the_points_that_no_other_dominates(better):
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = rng.integers(0, 6, size=(8, 2))  # with many ties
        points = {f"p{i}": (float(cost), float(quality)) for i, (cost, quality) in enumerate(values)}
        front = pareto_front(points, better)
        assert sorted(front) == sorted(name for name in points if not dominated(name, points, better))
        costs = [points[name][0] for name in front]
        assert costs == sorted(costs)


def test_seconds_within_a_tenth_are_equal():
    """A clock tells two fits apart by no less: the better figure is then alone on the front."""
    points = {"better": (1.386, 0.055), "worse": (1.379, 0.068), "cheap": (1.0, 0.07)}
    assert pareto_front(points, "lower") == ["cheap", "better"]
    assert pareto_front({"a": (1.0, 0.5), "b": (1.05, 0.5), "c": (1.2, 0.5)}, "lower") == ["a", "b"]


def test_no_points_have_no_front():
    assert pareto_front({}, "lower") == []


def test_seconds_are_those_of_training_and_fitting():
    timings = {
        "data": 1.0,
        "stage1": 10.0,
        "features": 0.5,
        "stage2": 20.0,
        "posthoc": 0.25,
        "judge": 3.0,
        "total": 4.5,
    }
    assert seconds_of(unstored_record("vtst", 0, {"nll": 0.4}, timings_s=timings)) == 30.75
