"""Sums and moments that are added up a block at a time, with what rounding loses kept beside them."""

from __future__ import annotations

from collections.abc import Hashable

from calibench.lazy import np
from calibench.metrics.binning import Floats


class Totals:
    """Sums of arrays by key. Each is a compensated pair (Neumaier 1974), so the order of the blocks matters little."""

    def __init__(self) -> None:
        self._sums: dict[Hashable, tuple[Floats, Floats]] = {}

    def add(self, key: Hashable, values: Floats) -> None:
        """Add `values`, which have one shape for one key."""
        if key not in self._sums:
            self._sums[key] = np.array(values, dtype=np.float64), np.zeros(np.shape(values))
            return
        old, lost = self._sums[key]
        total = old + values
        lost += np.where(np.abs(old) >= np.abs(values), (old - total) + values, (values - total) + old)
        self._sums[key] = total, lost

    def __getitem__(self, key: Hashable) -> Floats:
        """The sum."""
        total, lost = self._sums[key]
        return total + lost


class Moments:
    """The number of values, and the sums of the first power of the values and of the second and third of their deviations."""

    def __init__(self) -> None:
        self.n, self.second, self.third = 0, 0.0, 0.0
        self._totals, self._mean = Totals(), 0.0

    @property
    def total(self) -> float:
        """The sum; of whole numbers exactly."""
        return float(self._totals["values"])

    @property
    def mean(self) -> float:
        """The sum over the number."""
        return self.total / self.n

    def add(self, values: Floats) -> None:
        """Add `values [b]`, b >= 1. Source: Pébay 2008, "Formulas for robust, one-pass parallel computation of moments"."""
        n, mean = len(values), float(values.mean())
        self._totals.add("values", np.array(values.sum()))
        deviation = values - mean
        second, third = float((deviation**2).sum()), float((deviation**3).sum())
        total, difference = self.n + n, mean - self._mean
        self.third += third + difference**3 * self.n * n * (self.n - n) / total**2
        self.third += 3 * difference * (self.n * second - n * self.second) / total
        self.second += second + difference**2 * self.n * n / total
        self._mean += difference * n / total
        self.n = total
