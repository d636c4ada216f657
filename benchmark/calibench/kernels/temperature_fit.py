"""`fit_temperature`: the T at the minimum of the NLL, by Newton's method in log T within a bracket."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple

from calibench.errors import InputError, RunError
from calibench.kernels.arrays import Array, is_numpy
from calibench.kernels.checks import dtype_name
from calibench.kernels.nll_curve import curve_of
from calibench.lazy import torch

BOUND = 50.0
"""T must lie in [1/50, 50]: a fit beyond these bounds has run away and means nothing."""

WIDEST = 1e100
"""Largest difference between two logits of a row whose sums and products with T stay finite."""

LAST_STEP = 1e-5
"""Newton steps in log T of at most this length are taken without another pass. The slope changes on a scale of 1/700 at
its fastest (beyond, exp underflows), so T is then right to 700 * 1e-10 < 1e-6, and the parabola gives the NLL to 1e-13."""

START = 0.5
"""The log T of the first pass beside T = 1: trained networks are over-confident more often than not."""

SAMPLE = 16
"""If there are many rows, every 16th is fitted first, and the first full pass starts at the T of that fit."""

MANY_ROWS = 1 << 14

PATIENCE = 3
"""Number of passes within which the bracket must halve."""

MOST_PASSES = 150
"""Limit of passes. Halving the bracket of 7.8 to 1e-6 takes 23, each after three passes that gained less; Newton takes
two to four in all."""

_EDGE = math.log(BOUND)


class TemperatureFit(NamedTuple):
    """Result of `fit_temperature`."""

    temperature: float
    """T, in [1/50, 50]."""
    nll_before: float
    """Mean NLL at T = 1, nats."""
    nll_after: float
    """Mean NLL at T, nats; never above `nll_before`."""
    passes: int
    """Number of passes over all logits."""


class _Point(NamedTuple):
    """The curve at one u = log T: sums over rows."""

    u: float
    nll: float
    slope: float
    curvature: float

    def step(self) -> float:
        """The Newton step to the zero of the slope; infinite if the curve does not bend upwards."""
        return -self.slope / self.curvature if self.curvature > 0 else math.inf


def fit_temperature(logits: Array, labels: Array) -> TemperatureFit:
    """T that minimises the NLL of softmax(logits / T) against labels `[N]`, for logits `[N, K]`, to 1e-6 in log T.

    The NLL is convex in 1/T, so its slope over log T changes sign once. The first pass evaluates T = 1 and one more T.
    Each further pass evaluates the zero of the slope, interpolated from its values and derivatives at two points, and
    stays between a point where the NLL falls and one where it rises. T = 1 if every row is constant, or if only rounding
    separates it from the minimum.

    Types and strides as in `calibration_stats`. Raises InputError for a bad row and for N = 0; RunError if the NLL still
    falls at an end of [1/50, 50], or if logits of a row lie more than 1e100 apart.
    """
    search: _Search[Array] = _Search(logits, labels)
    search.look(0.0, _start(logits, labels))
    rows = len(labels)
    if rows == 0:
        raise InputError("fit_temperature: there are no rows", "give at least one sample")
    _refuse_wide(logits)
    at_one = next(point for point in search.points if point.u == 0)
    best = search.minimum() or at_one
    if best.nll > at_one.nll:  # the curve is flat here, and only rounding made the difference
        best = at_one
    return TemperatureFit(math.exp(best.u), at_one.nll / rows, best.nll / rows, search.passes)


def _start(logits: Array, labels: Array) -> float:
    """The log T of the first pass beside T = 1, fitted to a part of the rows if there are many."""
    if logits.ndim != 2 or logits.shape[0] < MANY_ROWS or labels.shape != logits.shape[:1]:
        return START
    search = _Search(logits[::SAMPLE], labels[::SAMPLE])
    try:
        search.look(0.0, START)
        minimum = search.minimum()
    except (InputError, RunError):  # the search over all rows decides, and names a bad row by its number
        return START
    return minimum.u if minimum and minimum.u != 0 else START


class _Search(Generic[Array]):
    """The points of the curve evaluated so far, in order of u; the minimum is where their slopes change sign."""

    def __init__(self, logits: Array, labels: Array) -> None:
        self.logits: Array = logits
        self.labels: Array = labels
        self.points: list[_Point] = []
        self.passes = 0

    def look(self, *log_temperatures: float) -> None:
        """Evaluates the curve at these u, in one pass over the logits."""
        curve = curve_of("fit_temperature", self.logits, self.labels, log_temperatures)
        columns = (field.tolist() for field in curve)
        points: Iterator[_Point] = (_Point(*values) for values in zip(log_temperatures, *columns, strict=True))
        self.points = sorted([*self.points, *points])
        self.passes += 1

    def minimum(self) -> _Point | None:
        """The point where the slope is zero; None if every row is constant.

        RunError if the slope has the same sign all over [1/50, 50].
        """
        widths: list[float] = []
        while True:
            nearest = min(self.points, key=lambda point: abs(point.step()))
            if abs(nearest.step()) <= LAST_STEP or self.passes >= MOST_PASSES:
                return _stepped(nearest)
            low, high = self._bracket()
            if low is not None and high is not None:
                widths.append(high.u - low.u)
                self.look((low.u + high.u) / 2 if _stalled(widths) else _between(low, high))
                continue
            edge = -_EDGE if low is None else _EDGE
            if all(point.u != edge for point in self.points):
                self._widen(edge)
            elif edge < 0 and _constant(self.logits):
                return None
            else:
                raise self._no_minimum(edge)

    def _bracket(self) -> tuple[_Point | None, _Point | None]:
        """The last point at which the NLL falls and the first at which it rises; None if there is no such point."""
        low = max((point for point in self.points if point.slope < 0), default=None)
        high = min((point for point in self.points if point.slope > 0), default=None)
        return low, high

    def _widen(self, edge: float) -> None:
        """Evaluates the point on the way to `edge` at which the slope seems to change sign; later also `edge` itself."""
        end, next_to_it = (0, 1) if edge < 0 else (-1, -2)
        outermost = self.points[end]
        u = _extrapolated(outermost, self.points[next_to_it])
        if not min(edge, outermost.u) < u < max(edge, outermost.u):
            self.look(edge)
        elif self.passes == 1:
            self.look(u)
        else:
            self.look(u, edge)

    def _no_minimum(self, edge: float) -> RunError:
        end, hint = (f"1/{BOUND:g}", _TOO_GOOD) if edge < 0 else (f"{BOUND:g}", _TOO_BAD)
        return RunError(f"temperature: the NLL of these {len(self.labels)} samples still falls at T = {end}", hint)


_TOO_GOOD = (
    "the answers are all (or nearly all) right with room to spare: there is no finite temperature to fit; "
    "give more samples to fit on"
)
_TOO_BAD = (
    "the logits say nothing about these labels: is the network trained, and are rows and classes in the same order?"
)


def _stalled(widths: list[float]) -> bool:
    """True if the bracket has not halved lately: Newton's method closes in from one side and may leave the other end."""
    return len(widths) > PATIENCE and widths[-1] > widths[-1 - PATIENCE] / 2


def _stepped(point: _Point) -> _Point:
    """The minimum of the parabola at a point so near that the curve equals it; a point farther away as it is."""
    step = point.step()
    if abs(step) > LAST_STEP:
        return point
    return point._replace(u=point.u + step, nll=point.nll + point.slope * step / 2)


def _cubic(a: _Point, b: _Point) -> Callable[[float], tuple[float, float]]:
    """The slope and its derivative at u, by the cubic with the slopes and curvatures of both points."""
    width = b.u - a.u
    mean = (b.slope - a.slope) / width

    def at(u: float) -> tuple[float, float]:
        s, t = u - a.u, u - b.u
        # Newton's form of the cubic, through a twice and b twice.
        first, last = (mean - a.curvature) / width, (a.curvature + b.curvature - 2 * mean) / width**2
        value = a.slope + s * (a.curvature + s * (first + t * last))
        return value, a.curvature + s * (2 * first + last * (s + 2 * t))

    return at


def _between(low: _Point, high: _Point) -> float:
    """The zero of the cubic, strictly between two points of opposite slopes; the middle if rounding hides the zero."""
    cubic = _cubic(low, high)
    left, right = low.u, high.u
    for _ in range(50):
        u = (left + right) / 2
        left, right = (u, right) if cubic(u)[0] < 0 else (left, u)
    return right if low.u < right < high.u else (low.u + high.u) / 2


def _extrapolated(point: _Point, inner: _Point) -> float:
    """The zero of the cubic beyond `point`, by Newton steps; NaN if the cubic bends away."""
    cubic = _cubic(inner, point)
    u = point.u
    for _ in range(8):
        slope, curvature = cubic(u)
        if not curvature > 0:
            return math.nan
        u -= slope / curvature
    return u


def _constant(logits: Array) -> bool:
    low, high = _extremes(logits)
    return bool((low == high).all())


def _extremes(logits: Array) -> tuple[Array, Array]:
    """The lowest and the highest logit of each row."""
    if is_numpy(logits):
        return logits.min(axis=1), logits.max(axis=1)
    low, high = torch.aminmax(logits.detach(), dim=1)
    return low, high


def _refuse_wide(logits: Array) -> None:
    if dtype_name(logits.dtype) != "float64":  # the narrower types end at 3.4e38
        return
    low, high = _extremes(logits)
    spread = float((high - low).max())
    if spread > WIDEST:
        message = f"temperature: in some row the logits lie {spread:.3g} apart"
        raise RunError(message, f"more than {WIDEST:g} cannot be scaled in float64: are these logits?")
