"""`fit_temperature`: the T at the minimum of the NLL, by Newton's method in log T between safe ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch

from calibench.errors import InputError, RunError
from calibench.kernels.nll_curve import _curve

BOUND = 50.0
"""T must lie in [1/50, 50]: beyond it the fit has run away and means nothing."""

WIDEST = 1e100
"""Between two logits of a row: their sums and products with T stay finite."""

LAST_STEP = 1e-5
"""Of log T: a Newton step no longer than this is taken without another pass. The slope changes on a scale of 1/700 at its
fastest (beyond, exp underflows), so T is then right to 700 * 1e-10 < 1e-6, and the parabola gives the NLL to 1e-13."""

START = 0.5
"""Of log T, where the first pass looks beside T = 1: trained networks are over-confident more often than not."""

SAMPLE = 16
"""Where there are many rows, every 16th is fitted first: that tells where the first full pass should look."""

MANY_ROWS = 1 << 14

PATIENCE = 3
"""Passes within which the bracket must have halved."""

MOST_PASSES = 150
"""Halving the bracket of 7.8 to 1e-6 takes 23, each after three passes that gained less; Newton two to four in all."""

_EDGE = math.log(BOUND)


class TemperatureFit(NamedTuple):
    """What `fit_temperature` found."""

    temperature: float
    """T, in [1/50, 50]."""
    nll_before: float
    """Mean NLL at T = 1, nats."""
    nll_after: float
    """Mean NLL at T, nats; never above `nll_before`."""
    passes: int
    """How often all logits were read."""


class _Point(NamedTuple):
    """The curve at one u = log T: sums over rows."""

    u: float
    nll: float
    slope: float
    curvature: float

    def step(self) -> float:
        """Newton's, to where the slope is zero; infinite where the curve does not bend upwards."""
        return -self.slope / self.curvature if self.curvature > 0 else math.inf


def fit_temperature(logits: torch.Tensor, labels: torch.Tensor) -> TemperatureFit:
    """T that minimises the NLL of softmax(logits / T) against labels `[N]`, for logits `[N, K]`, to 1e-6 in log T.

    The NLL is convex in 1/T, so its slope over log T changes sign once. The first pass looks at T = 1 and one other T;
    each further one where the slope, interpolated by its values and derivatives at two points, is zero, kept between a
    point where it falls and one where it rises. T = 1 where every row is constant, and where only rounding tells it
    from the best.

    Types and strides as in `calibration_stats`. Raises InputError for a bad row and for N = 0; RunError where the NLL
    still falls at an end of [1/50, 50], and where logits of a row lie more than 1e100 apart.
    """
    search = _Search(logits, labels)
    search.look(0.0, _start(logits, labels))
    rows = len(labels)
    if rows == 0:
        raise InputError("fit_temperature: there are no rows", "give at least one sample")
    _refuse_wide(logits)
    at_one = next(point for point in search.points if point.u == 0)
    best = search.minimum() or at_one
    if best.nll > at_one.nll:  # by rounding alone: the curve is flat here
        best = at_one
    return TemperatureFit(math.exp(best.u), at_one.nll / rows, best.nll / rows, search.passes)


def _start(logits: torch.Tensor, labels: torch.Tensor) -> float:
    if logits.ndim != 2 or logits.shape[0] < MANY_ROWS or labels.shape != logits.shape[:1]:
        return START
    search = _Search(logits[::SAMPLE], labels[::SAMPLE])
    try:
        search.look(0.0, START)
        found = search.minimum()
    except (InputError, RunError):  # all rows decide, and name the bad one by its number
        return START
    return found.u if found and found.u != 0 else START


class _Search:
    """The points seen so far, in order of u; the minimum lies where their slopes change sign."""

    def __init__(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        self.logits, self.labels = logits, labels
        self.points: list[_Point] = []
        self.passes = 0

    def look(self, *log_temperatures: float) -> None:
        """One pass over the logits."""
        curve = _curve("fit_temperature", self.logits, self.labels, log_temperatures)
        columns = (field.tolist() for field in curve)
        seen = (_Point(*values) for values in zip(log_temperatures, *columns, strict=True))
        self.points = sorted([*self.points, *seen])
        self.passes += 1

    def minimum(self) -> _Point | None:
        """Where the slope is zero; None where every row is constant. RunError where it has one sign in [1/50, 50]."""
        widths: list[float] = []
        while True:
            low = max((p for p in self.points if p.slope < 0), default=None)
            high = min((p for p in self.points if p.slope > 0), default=None)
            nearest = min(self.points, key=lambda point: abs(point.step()))
            if abs(nearest.step()) <= LAST_STEP or self.passes >= MOST_PASSES:
                return _stepped(nearest)
            if low is None and self.points[0].u == -_EDGE:
                if _constant(self.logits):
                    return None
                raise self._outside(f"1/{BOUND:g}", _TOO_GOOD)
            if low is not None and high is None and self.points[-1].u == _EDGE:
                raise self._outside(f"{BOUND:g}", _TOO_BAD)
            if low is None or high is None:
                self._widen(-_EDGE if low is None else _EDGE)
                continue
            widths.append(high.u - low.u)
            # Newton closes in from one side and may leave the other end where it is, but not for ever.
            stalled = len(widths) > PATIENCE and widths[-1] > widths[-1 - PATIENCE] / 2
            self.look((low.u + high.u) / 2 if stalled else _between(low, high))

    def _widen(self, edge: float) -> None:
        """Looks on the way to `edge`, where the slope seems to change sign; not there alone more than once."""
        end, next_to_it = (0, 1) if edge < 0 else (-1, -2)
        outermost = self.points[end]
        u = _extrapolated(outermost, self.points[next_to_it])
        if not min(edge, outermost.u) < u < max(edge, outermost.u):
            self.look(edge)
        elif self.passes == 1:
            self.look(u)
        else:
            self.look(u, edge)

    def _outside(self, end: str, hint: str) -> RunError:
        message = f"temperature: the NLL of these {len(self.labels)} samples still falls at T = {end}"
        return RunError(message, hint)


_TOO_GOOD = (
    "the answers are all (or nearly all) right with room to spare: there is no finite temperature to fit; "
    "give more samples to fit on"
)
_TOO_BAD = (
    "the logits say nothing about these labels: is the network trained, and are rows and classes in the same order?"
)


def _stepped(point: _Point) -> _Point:
    """The minimum of the parabola at a point so close that the curve is no other."""
    step = point.step()
    if abs(step) > LAST_STEP:
        return point
    return point._replace(u=point.u + step, nll=point.nll + point.slope * step / 2)


def _cubic(a: _Point, b: _Point) -> Callable[[float], tuple[float, float]]:
    """The slope and its derivative at u, by the cubic that has those of both points."""
    width = b.u - a.u
    mean = (b.slope - a.slope) / width

    def at(u: float) -> tuple[float, float]:
        s, t = u - a.u, u - b.u
        # Newton's form: through a twice and b twice.
        first, last = (mean - a.curvature) / width, (a.curvature + b.curvature - 2 * mean) / width**2
        value = a.slope + s * (a.curvature + s * (first + t * last))
        return value, a.curvature + s * (2 * first + last * (s + 2 * t))

    return at


def _between(low: _Point, high: _Point) -> float:
    """Where the cubic is zero, strictly between two points of opposite slopes; the middle where that cannot be told."""
    cubic = _cubic(low, high)
    left, right = low.u, high.u
    for _ in range(50):
        u = (left + right) / 2
        left, right = (u, right) if cubic(u)[0] < 0 else (left, u)
    return right if low.u < right < high.u else (low.u + high.u) / 2


def _extrapolated(point: _Point, other: _Point) -> float:
    """Where the cubic is zero, by Newton's steps from a point beyond which it is; NaN where it bends away."""
    cubic = _cubic(other, point)
    u = point.u
    for _ in range(8):
        slope, curvature = cubic(u)
        if not curvature > 0:
            return math.nan
        u -= slope / curvature
    return u


def _constant(logits: torch.Tensor) -> bool:
    low, high = torch.aminmax(logits.detach(), dim=1)
    return bool((low == high).all())


def _refuse_wide(logits: torch.Tensor) -> None:
    if logits.dtype != torch.float64:  # 3.4e38 is the most that the narrower types hold
        return
    low, high = torch.aminmax(logits.detach(), dim=1)
    spread = float((high - low).max())
    if spread > WIDEST:
        message = f"temperature: in some row the logits lie {spread:.3g} apart"
        raise RunError(message, f"more than {WIDEST:g} cannot be scaled in float64: are these logits?")
