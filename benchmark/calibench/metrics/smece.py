"""Smooth expected calibration error (smECE) of the top label: a Gaussian kernel in place of bins, with its own bandwidth."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.gap_figure import GapFigure, TopFigure
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once, rescaled, times_weight
from calibench.metrics.metric import Details
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.sample_weight import nonzero
from calibench.metrics.top_figure import fine_cells
from calibench.metrics.weighted_metric import WeightedMetric
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="smece",
    place=210,
    summary="Smooth expected calibration error, top label: a Gaussian kernel in place of bins, automatic bandwidth.",
    target=f"{__name__}:SmECE",
    equation="integral |1/N sum_i (conf_i - correct_i) K_s(t, conf_i)| dt at the bandwidth s = smECE_s",
    paper="Blasiok & Nakkiran 2024, arXiv:2309.12236",
    deviations=(
        "K is the reflected Gaussian kernel on the grid of the authors' package relplot, and the figure equals relplot's.",
        "s is the smallest multiple of 1/1024 above the fixed point, 2/1024 at least; the details hold it.",
    ),
    order_only=True,
    estimand="the smECE of the population, at its own bandwidth",
    optional=True,
)

STEPS = 1024
"""The bandwidth is a whole number of steps, each 1 / 1024: relplot halves [0, 1] ten times."""

SMALLEST = 0.001
"""No smaller bandwidth is tried."""

EXTRA_DENSITY = 1e-4
"""Added to the density at each point of the mesh, as in relplot."""


class SmECE(WeightedMetric):
    """`integral over t in [0, 1] of |1/N sum_i (confidence_i - correct_i) K_s(t, confidence_i)| dt`, a fraction.

    K_s is the Gaussian kernel of bandwidth s, reflected at 0 and 1. The integral falls as s grows; the figure is its value at
    the fixed point, where it equals s. Sums on a grid replace sums over samples and the integral, as in relplot:

    - The gap of a sample is split linearly over the two points of a grid of m points beside its confidence, with
      m = 1 + max(2000, round(20 / s)) // 2.
    - The kernel is cut at distance 1/2.
    - The smooth gaps and the smooth density are read off by linear interpolation at max(200, round(10 / s)) even points. The
      figure is the sum of |gap| over the sum of densities, to each of which 1e-4 is added.

    Source: Blasiok & Nakkiran 2024, "Smooth ECE: principled reliability diagrams via kernel smoothing".
    """

    of_top_label = True
    bias_corrected = True
    takes_weights = True

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Every resample has its own bandwidth."""
        gaps, weights = judged.confidence - judged.correct, rescaled(judged, weights)
        return _Smoothing(judged.confidence, weights * gaps, weights).at_fixed_point()[0]

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """The figure if sample i is correct with probability confidence_i; the density stays."""
        gaps = times_weight(judged, judged.confidence - correct)
        return _Smoothing(judged.confidence, gaps, once(judged)).at_fixed_point()[0]

    def gap_figure(self, judged: Judged) -> GapFigure | NoInterval:
        """smECE of parts of bins, each at its mean confidence; it exceeds a threshold s if smECE_s does."""
        cells = fine_cells(judged)
        if isinstance(cells, NoInterval):
            return cells
        confidence, count = cells.p / nonzero(cells.count), cells.count[None]

        def at_threshold(sums: Floats, threshold: float) -> Floats:
            step = int(np.clip(round(threshold * STEPS), 2, STEPS))
            return _Smoothing(confidence, sums, count).smooth(step)

        def value(sums: Floats) -> Floats:
            return _Smoothing(confidence, sums, count).at_fixed_point()[0]

        return TopFigure(cells, value, at_threshold, lambda features: np.abs(features).sum(axis=1))

    def details(self, judged: Judged) -> Details:
        """`bandwidth`, the s of the figure."""
        gaps = times_weight(judged, judged.confidence - judged.correct)[None]
        steps = _Smoothing(judged.confidence, gaps, once(judged)).at_fixed_point()[1]
        return {"bandwidth": float(steps[0]) / STEPS}


class _Smoothing:
    """smECE at any bandwidth for B rows of gaps `[B, N]` and weights `[B, N]` (or `[1, N]`, for all rows)."""

    def __init__(self, confidence: Floats, gaps: Floats, weights: Floats) -> None:
        self.confidence, self.gaps, self.weights = confidence, gaps, weights
        self._spectra: dict[int, tuple[Any, Any]] = {}

    def at_fixed_point(self) -> tuple[Floats, Ints]:
        """smECE of each row at its own bandwidth, and that bandwidth in steps, `[B]` each."""
        low, high = np.zeros(len(self.gaps), dtype=np.int64), np.full(len(self.gaps), STEPS, dtype=np.int64)
        errors = self._errors(high)
        while (high - low).max() > 1:  # the same number of halvings in every row
            middle = (low + high) // 2
            error = self._errors(middle)
            too_narrow = (middle / STEPS < SMALLEST) | (middle / STEPS < error)
            low, high = np.where(too_narrow, middle, low), np.where(too_narrow, high, middle)
            errors = np.where(too_narrow, errors, error)
        return errors, high

    def _errors(self, steps: Ints) -> Floats:
        """smECE of each row at a bandwidth of `steps [B]`; 0 where that is below the smallest."""
        errors = np.zeros(len(steps))
        for step in np.unique(steps):
            if step / STEPS >= SMALLEST:
                rows = np.flatnonzero(steps == step)
                errors[rows] = self._errors_of(rows, int(step))
        return errors

    def _errors_of(self, rows: Ints, step: int) -> Floats:
        """smECE of the rows `rows [R]` at one bandwidth, `[R]`."""
        errors: Floats = np.abs(self._smooth_of(rows, step)).sum(axis=1)
        return errors

    def smooth(self, step: int) -> Floats:
        """The smooth gaps of all rows at the points of the mesh, `[B, T]`: the sum of their sizes is smECE at this bandwidth."""
        return self._smooth_of(np.arange(len(self.gaps)), step)

    def _smooth_of(self, rows: Ints, step: int) -> Floats:
        points = _grid_points(step)
        gaps, densities = self._spectra_on(points)
        if len(densities) > 1:
            densities = densities[rows]
        kernel, (left, share) = _kernel_spectrum(step), _mesh(step)

        def on_mesh(spectra: Any) -> Floats:
            smooth = np.fft.irfft(spectra * kernel, n=2 * (points - 1), axis=1)
            values: Floats = smooth[:, left] * (1 - share) + smooth[:, left + 1] * share
            return values

        total = on_mesh(densities).sum(axis=1, keepdims=True) + EXTRA_DENSITY * len(left)
        smooth_gaps: Floats = on_mesh(gaps[rows]) / total
        return smooth_gaps

    def _spectra_on(self, points: int) -> tuple[Any, Any]:
        """Fourier transforms of gaps and of weights on a grid of `points`, continued evenly beyond both ends."""
        if points not in self._spectra:
            place = self.confidence * (points - 1)
            left = np.clip(place.astype(np.int64), 0, points - 2)
            share = place - left
            cells = np.concatenate([left, left + 1])

            def spectra(values: Floats) -> Any:
                grid = np.empty((len(values), points))
                for line, row in zip(grid, values, strict=True):
                    split = np.concatenate([row * (1 - share), row * share])
                    line[:] = np.bincount(cells, weights=split, minlength=points)
                return np.fft.rfft(np.concatenate([grid, grid[:, -2:0:-1]], axis=1), axis=1)

            self._spectra[points] = spectra(self.gaps), spectra(self.weights)
        return self._spectra[points]


def _grid_points(step: int) -> int:
    return 1 + max(2000, round(20 * STEPS / step)) // 2


@lru_cache(maxsize=64)
def _kernel_spectrum(step: int) -> Any:
    """Fourier transform of the Gaussian density, cut at distance 1/2, on the evenly continued grid."""
    points, sigma = _grid_points(step), step / STEPS
    offset = np.linspace(0, 1, points) - 0.5
    kernel = np.zeros(2 * (points - 1))
    # relplot centres an even number of points half a point off; so does this.
    kernel[np.arange(points) - points // 2] = np.exp(-offset * offset / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
    return np.fft.rfft(kernel)


@lru_cache(maxsize=64)
def _mesh(step: int) -> tuple[Ints, Floats]:
    """The points at which |gap| is summed: the grid point left of each, and the share of the way to the next, `[T]` each."""
    last = _grid_points(step) - 1
    place = np.linspace(0, 1, max(200, round(10 * STEPS / step))) * last
    left = np.clip(place.astype(np.int64), 0, last - 1)
    return left, place - left
