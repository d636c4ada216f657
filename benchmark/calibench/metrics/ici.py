"""Integrated calibration index (ICI) of two classes: the mean distance of p_1 from a smooth curve of the labels over it."""

from __future__ import annotations

from typing import NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.judged import Judged
from calibench.metrics.loess import loess, loess_matrix
from calibench.metrics.logit_recalibration import is_binary
from calibench.metrics.metric import Details, Metric
from calibench.metrics.weighted import weighted_sums
from calibench.plugins.params import Param
from calibench.plugins.specs import MetricSpec

SPAN = Param("span", "float", 0.75, "share of the samples that a local fit uses", minimum=0.01, maximum=1)

SPEC = MetricSpec(
    name="ici",
    place=465,
    summary="Integrated calibration index, for two classes: mean distance of p_1 from the loess curve of the labels.",
    target=f"{__name__}:ICI",
    equation="mean |p_1 - loess(p_1)|",
    paper="Austin & Steyerberg 2019, Statistics in Medicine 38(21)",
    params=(SPAN,),
    deviations=(
        "loess is local linear (that of R is quadratic unless told otherwise) with tricube weights and span 0.75, not robust, "
        "fitted at 100 evenly spaced ranks with straight lines between them.",
    ),
    order_only=True,
    estimand="none: no interval of this figure is known to cover the population value",
    optional=True,
)


class _Distinct(NamedTuple):
    """The distinct p_1 `[X]`, ascending, and which of them each sample has, `[N]`."""

    values: Floats
    place: Ints


class ICI(Metric):
    """`mean |p_1 - loess(p_1)|`, a fraction; loess is a local linear regression of [y = 1] on p_1, and may leave [0, 1].

    The curve is fitted to the samples that it judges, so that ICI is above 0 even for a calibrated model: the record shows its
    noise floor. It takes no sample weights, since the span of loess is a share of the samples.
    Source: Austin & Steyerberg 2019, "The Integrated Calibration Index (ICI) and related metrics".
    """

    bias_corrected = True

    def __init__(self, span: float = 0.75) -> None:
        self.span = span

    def applies(self, judged: Judged) -> bool:
        """True for two classes, if a sample has one label."""
        return is_binary(judged)

    def value(self, judged: Judged) -> float:
        """The mean over samples."""
        return float(self._distances(judged).mean())

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The curve is fitted to each resample anew."""
        distinct = _distinct(judged)
        size = len(distinct.values)
        figures = np.empty(len(weights))
        for b, row in enumerate(weights):
            count: Floats = np.bincount(distinct.place, weights=row, minlength=size).astype(np.float64)
            hits: Floats = np.bincount(distinct.place, weights=row * judged.labels, minlength=size).astype(np.float64)
            filled = count > 0
            p, count = distinct.values[filled], count[filled]
            gap = np.abs(p - loess(p, count, hits[filled], self.span).at(p))
            figures[b] = (count * gap).sum() / count.sum()
        return figures

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """The figure if the labels are drawn from the probabilities; the smoother stays."""
        distinct, p = _distinct(judged), judged.probs[:, 1]
        curve = judged.memo(("loess", self.span), lambda: loess_matrix(*_counted(distinct), self.span))
        fits = weighted_sums(labels.astype(np.float64), np.ascontiguousarray(curve.fits[:, distinct.place].T))
        return np.array([np.abs(p - curve._replace(fits=fit).at(p)).mean() for fit in fits])

    def details(self, judged: Judged) -> Details:
        """`e50`, `e90` and `emax`: the median, the 90th percentile and the largest distance, which Austin & Steyerberg add."""
        distances = self._distances(judged)
        e50, e90 = np.quantile(distances, (0.5, 0.9))
        return {"e50": float(e50), "e90": float(e90), "emax": float(distances.max())}

    def _distances(self, judged: Judged) -> Floats:
        """|p_1 - loess(p_1)| of each sample, `[N]`."""
        distinct, p = _distinct(judged), judged.probs[:, 1]
        hits: Floats = np.bincount(distinct.place, weights=judged.labels).astype(np.float64)
        distances: Floats = np.abs(p - loess(*_counted(distinct), hits, self.span).at(p))
        return distances


def _counted(distinct: _Distinct) -> tuple[Floats, Floats]:
    """The distinct p_1 and how many samples have each, `[X]`."""
    return distinct.values, np.bincount(distinct.place).astype(np.float64)


def _distinct(judged: Judged) -> _Distinct:
    return judged.memo("distinct_p1", lambda: _Distinct(*np.unique(judged.probs[:, 1], return_inverse=True)))
