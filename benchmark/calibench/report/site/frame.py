"""The frame of a picture: from values to the coordinates of an SVG, with ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """One axis: the values `low` to `high`, linear or logarithmic, along `start` to `end` of the picture."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    percent: bool = False
    """True if values are fractions, which ticks show as percent."""

    def at(self, value: float) -> float:
        """The coordinate of a value; values outside lie on the edge."""
        low, high, value = (self._scaled(number) for number in (self.low, self.high, value))
        share = 0.5 if high == low else min(max((value - low) / (high - low), 0.0), 1.0)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Coordinate and text of each tick."""
        values = _log_ticks(self.low, self.high) if self.log else _linear_ticks(self.low, self.high)
        factor = 100 if self.percent else 1
        return [(self.at(value), f"{round(factor * value, 10):g}") for value in values]

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, 1e-300)) if self.log else value


@dataclass(frozen=True)
class Frame:
    """Both axes of a picture of `width` and `height`; y grows upwards."""

    width: float
    height: float
    across: Axis
    up: Axis

    def x(self, value: float) -> float:
        """The coordinate of a value from left to right."""
        return self.across.at(value)

    def y(self, value: float) -> float:
        """The coordinate of a value from bottom to top."""
        return self.up.at(value)

    def path(self, xs: Iterable[float], ys: Iterable[float]) -> str:
        """The `d` of a line through the points."""
        points = [f"{self.x(x):g},{self.y(y):g}" for x, y in zip(xs, ys, strict=True)]
        return "M" + "L".join(points) if points else ""

    def band(self, xs: Sequence[float], low: Sequence[float], high: Sequence[float]) -> str:
        """The `d` of the area between two lines."""
        points = [*zip(xs, high, strict=True), *zip(reversed(xs), reversed(low), strict=True)]
        return self.path([x for x, _ in points], [y for _, y in points]) + ("Z" if points else "")


LEFT, BOTTOM, RIGHT, TOP = 54.0, 40.0, 10.0, 8.0
"""Room for the texts of the axes, and for points on the edge."""


def percent_frame(side: float, highest: float = 1.0) -> Frame:
    """A square frame of two fractions, which ticks show as percent: 0 to 1 across, 0 to `highest` up."""
    across = Axis(0.0, 1.0, LEFT, side - RIGHT, percent=True)
    return Frame(side, side, across, Axis(0.0, highest, side - BOTTOM, TOP, percent=True))


def cost_frame(width: float, height: float, cost: Range, quality: Range, percent: bool) -> Frame:
    """A frame with a logarithmic axis of costs across, and a linear one of quality up."""
    up = Axis(*quality, height - BOTTOM, TOP, percent=percent)
    return Frame(width, height, Axis(*cost, LEFT, width - RIGHT, log=True), up)


def _linear_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most `most` round numbers between both ends."""
    span = (high - low) or 1.0
    power = 10 ** math.floor(math.log10(span / most))
    step = next(factor * power for factor in (1, 2, 5, 10, 20) if span / (factor * power) <= most)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten; of a wide range the powers alone."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        ticks = [factor * 10.0**power for power in powers for factor in factors]
        ticks = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(ticks) <= 8:
            break
    return ticks
