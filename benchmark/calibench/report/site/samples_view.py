"""What the test predictions of a recipe show: reliability, risk against coverage, and each class, over all seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.binomial import lower_bound, upper_bound
from calibench.metrics.judged import Judged
from calibench.metrics.mean_interval import wilson_interval
from calibench.metrics.operating_curves import risk_coverage
from calibench.report.reliability_pictures import BINS, bins_of, question
from calibench.report.site.frame import Frame, percent_frame

FOOT = 0.12
"""The height of the highest bar of the histogram at the foot of a reliability diagram."""

POINTS = 60


class Bin(NamedTuple):
    """A bin of confidences: its ends, mean confidence, accuracy with the ends of its interval, height at the foot, samples."""

    start: float
    end: float
    p: float
    share: float
    low: float
    high: float
    foot: float
    samples: float


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: its bins, and the share of the samples in the fullest."""

    frame: Frame
    bins: Sequence[Bin]
    fullest: float
    asked: str


@dataclass(frozen=True)
class RiskCoverage:
    """The mean over seeds with its band as the `d` of paths, and a path a seed."""

    frame: Frame
    line: str
    band: str
    seeds: Sequence[str]
    risk_of_all: float


def reliability_view(runs: Sequence[Judged], side: float = 300.0) -> Reliability:
    """Bins of the confidence over all `runs`, which are seeds on one test split.

    The samples of a bin are the mean over seeds. Its Wilson 95 % interval takes them as that many samples: the seeds share
    their test samples, so they count once.
    """
    totals = np.zeros((4, BINS))  # weight, effective number of samples, sums of p and of right answers
    for judged in runs:
        bins = bins_of(question(judged, None), judged)
        filled = np.rint(bins.middle * BINS - 0.5).astype(np.int64)
        totals[:, filled] += [bins.weight, bins.effective, bins.weight * bins.p, bins.weight * bins.share]
    weight, effective, p, right = totals
    rows = []
    for place in np.flatnonzero(weight).tolist():
        share, samples = float(right[place] / weight[place]), float(effective[place] / len(runs))
        low, high = wilson_interval(share * samples, samples)
        mean, foot = float(p[place] / weight[place]), float(FOOT * weight[place] / weight.max())
        rows.append(Bin(place / BINS, (place + 1) / BINS, mean, share, low, high, foot, samples))
    fullest = float(weight.max() / weight.sum())
    return Reliability(percent_frame(side), rows, fullest, question(runs[0], None).asked)


def risk_view(runs: Sequence[Judged], side: float = 300.0) -> RiskCoverage:
    """The error rate of the surest samples against their share: mean over seeds, Clopper-Pearson 95 % band of that mean.

    The band takes the errors as those of one test split, so the seeds count once.
    """
    curves = [risk_coverage(judged) for judged in runs]
    coverage = np.unique(np.linspace(1 / min(runs[0].n, POINTS), 1, min(runs[0].n, POINTS)))
    risks = np.array([_at(coverage, curve["coverage"], curve["risk"]) for curve in curves])
    mean = risks.mean(axis=0)
    accepted = coverage * runs[0].n
    low = lower_bound(mean * accepted, accepted, 0.025)
    high = upper_bound(mean * accepted, accepted, 0.025)
    most = float(max(high[len(high) // 4 :].max(), risks.max(initial=0.0), 1e-3))
    drawn = percent_frame(side, min(1.1 * most, 1.0))
    return RiskCoverage(
        drawn,
        drawn.path(coverage, mean),
        drawn.band(list(coverage), list(low), list(high)),
        [drawn.path(coverage, risk) for risk in risks] if len(runs) > 1 else [],
        float(mean[-1]),
    )


def _at(wanted: Floats, coverage: Sequence[float], risk: Sequence[float]) -> Floats:
    """The risk of the first point of a curve that covers as much as is wanted."""
    places = np.searchsorted(np.asarray(coverage), wanted - 1e-9).clip(0, len(coverage) - 1)
    at: Floats = np.asarray(risk, dtype=np.float64)[places]
    return at
