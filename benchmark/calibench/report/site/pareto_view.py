"""The picture of quality against cost: a point a recipe, and the front of recipes that no other beats in both."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from calibench.leaderboard.pareto import pareto_front
from calibench.report.site.frame import Frame, cost_frame
from calibench.report.site.table import Recipes

WIDTH, HEIGHT = 640.0, 340.0

LETTERS = 6.0
"""Units of the picture that a letter of a label is wide, about."""

LONGEST = 28
"""Letters of a label; longer names are cut."""

Place = tuple[float, float]

Label = tuple[float, float, str]
"""Where a label stands, and which of its ends is there: `start` or `end`."""


@dataclass(frozen=True)
class Point:
    """A recipe in the picture; `label` is where its name stands, if it is on the front and there is room."""

    recipe: str
    href: str
    x: float
    y: float
    front: bool
    tip: str
    words: str
    kinds: str
    label: Label | None = None

    @property
    def short(self) -> str:
        """The name as the picture shows it."""
        return self.recipe if len(self.recipe) <= LONGEST else f"{self.recipe[: LONGEST - 1]}…"


@dataclass(frozen=True)
class Pareto:
    """The picture; `line` is the `d` of the front's steps."""

    frame: Frame
    points: Sequence[Point]
    line: str
    across: str
    up: str
    better: str
    beyond: int
    """The number of recipes that lie at the edge, since their quality is far from that of the others."""


def pareto_picture(
    quality: Mapping[str, float], seconds: Mapping[str, float], better: str, name: str, recipes: Recipes
) -> Pareto | None:
    """The picture of the recipes with both figures; None for fewer than two. Seconds have a logarithmic axis.

    Recipes whose quality is far worse than that of most others lie at the edge, so that they do not press these together.
    """
    points = {recipe: (seconds[recipe], value) for recipe, value in quality.items() if seconds.get(recipe, 0.0) > 0}
    if len(points) < 2:
        return None
    front = pareto_front(points, better)
    costs, values = ([pair[side] for pair in points.values()] for side in (0, 1))
    shown = _without_far(values, better)
    drawn = cost_frame(WIDTH, HEIGHT, _widened(costs, True), _widened(shown, False), name.endswith("%"))
    places = [(drawn.x(cost), drawn.y(value)) for cost, value in points.values()]
    labels = _labels(drawn, [(recipe, *points[recipe]) for recipe in front], places)
    made = [
        Point(
            recipe,
            recipes.href.get(recipe, ""),
            drawn.x(cost),
            drawn.y(value),
            recipe in front,
            f"{recipe}: {name} {100 * value if drawn.up.percent else value:.4g}, {cost:.3g} s",
            recipe.lower(),
            recipes.kinds.get(recipe, ""),
            labels.get(recipe),
        )
        for recipe, (cost, value) in points.items()
    ]
    return Pareto(
        drawn,
        made,
        _steps(drawn, [points[recipe] for recipe in front]),
        "seconds",
        name,
        better,
        len(values) - len(shown),
    )


def _without_far(values: Sequence[float], better: str) -> list[float]:
    """The values that are shown: without those far behind the third quartile, by over three times its distance from the best."""
    sign = 1.0 if better == "lower" else -1.0
    ordered = sorted(sign * value for value in values)
    best, quarter = ordered[0], ordered[(3 * len(ordered)) // 4]
    return [value for value in values if sign * value <= quarter + 3 * (quarter - best)]


def _widened(values: Sequence[float], log: bool) -> tuple[float, float]:
    """The range of values, with some room at both ends."""
    low, high = min(values), max(values)
    if log:
        room = max((high / low) ** 0.06, 1.05)
        return low / room, high * room
    room = 0.06 * (high - low) or 0.05 * abs(high) or 0.05
    return low - room, high + room


def _steps(drawn: Frame, front: Sequence[tuple[float, float]]) -> str:
    """The steps from the cheapest to the best recipe of the front, to the right edge."""
    xs, ys = [front[0][0]], [front[0][1]]
    for cost, value in front[1:]:
        xs += [cost, cost]
        ys += [ys[-1], value]
    return drawn.path([*xs, drawn.across.high], [*ys, ys[-1]])


def _labels(drawn: Frame, front: Sequence[tuple[str, float, float]], points: Sequence[Place]) -> dict[str, Label]:
    """Where the name of each recipe of the front stands: beside its point, where it hides nothing and no other point is nearer."""
    boxes: list[tuple[float, float, float, float]] = [(x - 4, x + 4, y - 4, y + 4) for x, y in points]
    labels: dict[str, Label] = {}
    for recipe, cost, value in reversed(front):
        x, y = drawn.x(cost), drawn.y(value)
        width = LETTERS * min(len(recipe), LONGEST)
        for right, shift in itertools.product((True, False), (-7.0, 15.0, 4.0)):
            left, end = (x + 8, x + 8) if right else (x - 8 - width, x - 8)
            box = (left, left + width, y + shift - 9, y + shift + 2)
            inside = left > drawn.across.start and box[1] < drawn.width and box[2] > 0
            nearest = min(points, key=lambda point: math.dist((end, y + shift - 4), point))
            if inside and nearest == (x, y) and not any(_meet(box, other) for other in boxes):
                boxes.append(box)
                labels[recipe] = (round(end, 1), round(y + shift, 1), "start" if right else "end")
                break
    return labels


def _meet(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]
