"""Area under the risk-coverage curve: do the errors sit among the least confident samples?"""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details, Metric
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="aurc",
    place=90,
    summary="Area under the risk-coverage curve, tied confidences averaged.",
    target=f"{__name__}:AURC",
    equation="1/N sum_i (errors among the i most confident) / i",
    paper="Geifman, Uziel & El-Yaniv 2019, arXiv:1805.08206",
)


class AURC(Metric):
    """`mean over i = 1 .. N of (errors among the i most confident) / i`, a fraction, tied samples averaged.

    Samples are ranked by the tail `sum over j != argmax of p_j / p_argmax`, which tells apart confidences that round to
    1. A tie of m samples with e errors, after a samples with E errors, adds
    `e + (E - a e / m) (H(a + m) - H(a))`, H the harmonic numbers: the mean over all orders of the tie, exactly.
    Source: Geifman, Uziel & El-Yaniv 2019, "Bias-reduced uncertainty estimation".
    """

    def value(self, judged: Judged) -> float:
        """The figure over all samples."""
        return float(self.resampled(judged, np.ones((1, judged.n)))[0])

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Copies of a sample are ties of each other; ties stay ties in every resample."""
        order, starts = judged.memo("by_tail", lambda: _ranks(judged.tail))
        wrong = 1 - judged.correct[order]
        harmonic = judged.memo("harmonic", lambda: _harmonic(judged.n))
        return np.array([_area(row[order], wrong, starts, harmonic) for row in weights])

    def details(self, judged: Judged) -> Details:
        """`oracle`, the least value at this accuracy (all errors last), and `excess` = AURC - oracle (E-AURC)."""
        wrong = 1 - judged.correct
        order, _ = _ranks(wrong)
        singles = np.arange(judged.n)
        oracle = _area(np.ones(judged.n), wrong[order], singles, _harmonic(judged.n))
        return {"oracle": oracle, "excess": self.value(judged) - oracle}


def area_under(uncertainty: Floats, wrong: Floats) -> float:
    """AURC of N samples ranked by `uncertainty [N]`, least first, of which `wrong [N]` (1 or 0) says which are errors."""
    order, starts = _ranks(uncertainty)
    return _area(np.ones(len(uncertainty)), wrong[order], starts, _harmonic(len(uncertainty)))


def risk_coverage(uncertainty: Floats, wrong: Floats, points: int) -> tuple[Floats, Floats]:
    """Coverage and risk where only the least doubtful are accepted, `[P]` each, P <= `points`, the last at coverage 1.

    A point stands at the end of a tie, since no threshold parts what is tied; of more than `points` ends those are kept
    that lie evenly in rank.
    """
    order, starts = _ranks(uncertainty)
    accepted = np.append(starts[1:], len(uncertainty))
    errors = wrong[order].cumsum()[accepted - 1]
    kept = np.unique(np.searchsorted(accepted, np.linspace(0, len(uncertainty), points + 1)[1:]))
    return accepted[kept] / len(uncertainty), errors[kept] / accepted[kept]


def _ranks(tail: Floats) -> tuple[Ints, Ints]:
    """Samples from most to least confident, and where in that order each run of equal tails starts."""
    order = np.argsort(tail, kind="stable")
    ranked = tail[order]
    return order, np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))


def _harmonic(n: int) -> Floats:
    """H(0) .. H(n), `[n + 1]`."""
    return np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))])


def _area(weight: Floats, wrong: Floats, starts: Ints, harmonic: Floats) -> float:
    """The mean of the closed form over ties; `weight` and `wrong` are in rank order."""
    size, errors = weight, weight * wrong
    if len(starts) < len(weight):
        size, errors = np.add.reduceat(size, starts), np.add.reduceat(errors, starts)
    seen = size.cumsum()
    if seen[-1] >= len(harmonic):
        harmonic = _harmonic(int(seen[-1]))
    before, errors_before = seen - size, errors.cumsum() - errors
    rate = errors / np.maximum(size, 1)
    rank = seen.astype(np.int64)
    span = harmonic[rank] - harmonic[rank - size.astype(np.int64)]
    return float((errors + (errors_before - before * rate) * span).sum() / seen[-1])
