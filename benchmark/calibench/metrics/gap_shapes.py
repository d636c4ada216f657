"""Shapes that the gaps of cells may have: the directions along which an interval of a calibration error looks for its bounds.

A sample shows the gap of each cell with noise. How large a figure of gaps is under noise depends on how they are spread over
the cells, so several guesses are made: the gaps as they are, and gaps that are drawn towards a smooth curve as far as noise
explains their distance from it (empirical Bayes, James & Stein 1961).
"""

from __future__ import annotations

from dataclasses import dataclass

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints

DEGREES = (0, 1)
"""Of the polynomials in the mean probability of a cell."""

MANY_GROUPS = 30
"""From so many classes on, one of them may be off without leaving a trace in the curve of all."""

LEAST_VARIANCE = 1e-4
"""The variance of one answer counts as this at least."""


@dataclass(frozen=True)
class CellSums:
    """What C cells hold, `[C]` each: the number of samples, and the sums of p, of p (1 - p) and of y.

    y is 1 where the event with probability p happened. `group` tells the class of each cell; None if all are of one.
    """

    count: Floats
    p: Floats
    variance: Floats
    y: Floats
    group: Ints | None = None

    @property
    def gap(self) -> Floats:
        """The sum of p - y."""
        return self.p - self.y


def gap_shapes(cells: CellSums) -> list[Floats]:
    """Guesses of the mean gap of a sample in each cell, `[C]` each; 0 in an empty cell.

    As it is; drawn towards a constant and towards a line. For cells of many classes also towards 0, but for the classes whose
    offset noise does not explain; for cells of several classes towards a line and an offset of each class. The last is the
    best guess.
    """
    filled = cells.count > 0
    count, gap = cells.count[filled], cells.gap[filled]
    precision = 1 / np.maximum(cells.variance[filled], LEAST_VARIANCE * count)
    mean_p = cells.p[filled] / count
    guesses = [gap]
    for degree in DEGREES:
        fit, parameters = _curve(count, mean_p, gap, precision, degree)
        guesses.append(fit + _shrunk(gap - fit, precision, len(gap) - parameters))
    if cells.group is not None:
        fit, _ = _curve(count, mean_p, gap, precision, DEGREES[-1])
        if cells.group[-1] >= MANY_GROUPS:
            guesses.append(_by_group(count, gap, precision, cells.group[filled], surely=True))
        guesses.append(fit + _by_group(count, gap - fit, precision, cells.group[filled]))
    shapes = []
    for guess in guesses:
        shape = np.zeros(len(cells.count))
        shape[filled] = guess / count
        shapes.append(shape)
    return shapes


def _curve(count: Floats, mean_p: Floats, gap: Floats, precision: Floats, degree: int) -> tuple[Floats, int]:
    """Gap sums of the polynomial in p that fits best by weighted least squares, and its number of parameters."""
    columns = np.stack([count * (mean_p - 0.5) ** power for power in range(degree + 1)], axis=1)
    root = np.sqrt(precision)
    coefficients, _, rank, _ = np.linalg.lstsq(columns * root[:, None], gap * root, rcond=None)
    fit: Floats = columns @ coefficients
    return fit, int(rank)


def _shrunk(rest: Floats, precision: Floats, freedom: int) -> Floats:
    """`rest` times the factor after which its sum of squares is what noise does not explain: 0 if noise explains all."""
    squares = float((rest**2 * precision).sum())
    if freedom <= 0 or squares <= freedom:
        return np.zeros_like(rest)
    shrunk: Floats = rest * np.sqrt(1 - freedom / squares)
    return shrunk


def _by_group(count: Floats, rest: Floats, precision: Floats, group: Ints, surely: bool = False) -> Floats:
    """For each group its offset a sample and the rest, each drawn towards 0 as far as noise explains it.

    `surely`: only groups whose offset is larger than the largest of as many offsets of noise, without shrinking it.
    """
    guess = np.zeros_like(rest)
    groups = np.split(np.argsort(group, kind="stable"), np.flatnonzero(np.diff(np.sort(group))) + 1)
    for members in groups:
        n, r, w = count[members], rest[members], precision[members]
        offset = (n * r * w).sum() / (n**2 * w).sum() * n
        if not surely:
            guess[members] = _shrunk(offset, w, 1) + _shrunk(r - offset, w, len(members) - 1)
        elif (offset**2 * w).sum() > 2 * np.log(len(groups)):
            guess[members] = offset + _shrunk(r - offset, w, len(members) - 1)
    return guess
