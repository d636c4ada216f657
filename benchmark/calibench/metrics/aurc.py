"""Area under the risk-coverage curve (AURC), and the curve: are the errors among the least confident samples?"""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once, rescaled
from calibench.metrics.metric import Details, Metric
from calibench.metrics.resamples import Ranges, Resamples, ranges_of
from calibench.metrics.sample_weight import nonzero
from calibench.metrics.weighted import weighted_sums
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="aurc",
    place=90,
    summary="Area under the risk-coverage curve, tied confidences averaged.",
    target=f"{__name__}:AURC",
    equation="1/N sum_i (errors among the i most confident) / i",
    estimand="the area of the population, of samples without end",
    paper="Geifman, Uziel & El-Yaniv 2019, arXiv:1805.08206",
)

SERIES_FROM = 20.0
"""From here on the series of psi has all digits."""


class AURC(Metric):
    """`mean over i = 1 .. N of (errors among the i most confident) / i`, a fraction, averaged over the orders of tied samples.

    Samples are ranked by the tail `sum over j != argmax of p_j / p_argmax`, which distinguishes confidences that round to
    1. A tie of m samples with e errors, after a samples with E errors, adds
    `e + (E - a e / m) (H(a + m) - H(a))`, H the harmonic numbers: the exact mean over all orders of the tie.
    A sample of weight w counts as w such ranks: m, a, e and E are sums of weights, and H(x) is `psi(x + 1)` up to a constant.
    Source: Geifman, Uziel & El-Yaniv 2019, "Bias-reduced uncertainty estimation".
    """

    of_top_label = True
    takes_weights = True

    def value(self, judged: Judged) -> float:
        """The figure of all samples."""
        if judged.sample_weight is not None:
            return float(self.resampled(judged, once(judged))[0])
        wrong, ties = judged.memo("ties_of_errors", lambda: _ties_of_errors(judged))
        ends = ties.ends
        starts = np.concatenate([[0], ends[:-1]])
        errors = np.add.reduceat(wrong, starts, dtype=np.float64)
        return _area(np.diff(ends, prepend=0).astype(np.float64), errors, harmonic_numbers(judged.n))

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The figure of each row; copies of a sample tie with each other."""
        return weighted_areas(judged, weights)

    def of_resamples(self, judged: Judged, resamples: Resamples) -> Floats:
        """The sum of the selective risk over ranks, divided by the number of samples."""
        if judged.sample_weight is not None:
            return super().of_resamples(judged, resamples)
        samples, _, selective, _ = resampled_risks(judged, resamples)
        return selective / nonzero(samples)

    def details(self, judged: Judged) -> Details:
        """`oracle`, the smallest value at this accuracy (all errors last), and `excess` = AURC - oracle (E-AURC)."""
        if judged.sample_weight is None:
            oracle = best_area(float((1 - judged.correct).sum()), judged.n)
        else:
            oracle = float(best_weighted_areas(judged, once(judged))[0])
        return {"oracle": oracle, "excess": self.value(judged) - oracle}


def best_area(errors: float, n: int) -> float:
    """AURC of n samples with all errors last: `(e - (n - e) (H(n) - H(n - e))) / n`."""
    harmonic = harmonic_numbers(n)
    right = n - errors
    return float((errors - right * (harmonic[n] - harmonic[int(right)])) / n)


def best_weighted_areas(judged: Judged, weights: Floats) -> Floats:
    """AURC of each row of `weights [B, N]` with all errors last, `[B]`."""
    weights = rescaled(judged, weights)
    errors, total = weighted_sums(weights, 1 - judged.correct), weights.sum(axis=1)
    right = np.maximum(total - errors, 0)
    if judged.sample_weight is None:
        harmonic = harmonic_numbers(int(total.max()))
        span = harmonic[total.astype(np.int64)] - harmonic[right.astype(np.int64)]
    else:
        span = _harmonic(total) - _harmonic(right)
    best: Floats = (errors - right * span) / nonzero(total)
    return best


def resampled_risks(judged: Judged, resamples: Resamples) -> tuple[Floats, Floats, Floats, Floats]:
    """`Resamples.risks` of samples ranked by their tail; taken once for all metrics that use them."""

    def make() -> tuple[Floats, Floats, Floats, Floats]:
        wrong, ties = judged.memo("ties_of_errors", lambda: _ties_of_errors(judged))
        return resamples.risks(wrong, ties)

    return resamples.memo("risks", make)


def _ties_of_errors(judged: Judged) -> tuple[Bools, Ranges]:
    """Where the ranked samples are wrong, `[N]`, and their ties; adjacent ties without an error count as one."""
    order, starts = rank(judged.tail)  # not kept: of large samples it is large
    wrong = judged.correct[order] == 0
    first = _first_of_error_runs(wrong, starts)
    return wrong, ranges_of(order, np.append(starts[first][1:], judged.n))


def _first_of_error_runs(wrong: Bools | Floats, starts: Ints) -> Bools:
    """The ties that remain, bool `[T]`, if adjacent ties without an error count as one."""
    has_error = np.logical_or.reduceat(wrong, starts)
    first: Bools = np.concatenate([[True], has_error[1:] | has_error[:-1]])
    return first


def weighted_areas(judged: Judged, weights: Floats) -> Floats:
    """AURC of each row of `weights [B, N]`, `[B]`. Copies of a sample tie with each other."""
    order, starts = ranked_by_tail(judged)
    wrong = 1 - judged.correct[order]
    if judged.sample_weight is not None:
        starts = starts[_first_of_error_runs(wrong, starts)]
        return np.array([_area_of_items(row[order], wrong, starts, None) for row in rescaled(judged, weights)])
    harmonic = harmonic_numbers(judged.n)
    return np.array([_area_of_items(row[order], wrong, starts, harmonic) for row in weights])


def area_under(uncertainty: Floats, wrong: Floats, weight: Floats | None = None) -> float:
    """AURC of N samples ranked by `uncertainty [N]`, smallest first; `wrong [N]` is 1 for an error, else 0."""
    order, starts = rank(uncertainty)
    if weight is not None:
        return _area_of_items(weight[order], wrong[order], starts, None)
    return _area_of_items(np.ones(len(uncertainty)), wrong[order], starts, harmonic_numbers(len(uncertainty)))


def risk_coverage(
    uncertainty: Floats, wrong: Floats, points: int, weight: Floats | None = None
) -> tuple[Floats, Floats]:
    """Coverage and risk when only the least uncertain samples are accepted, `[P]` each with P <= `points`.

    Each point is at the end of a tie, since no threshold separates tied samples; the last point has coverage 1. If there
    are more than `points` such ends, those that are evenly spaced in rank are returned. `weight [N]` is that of each sample.
    """
    if weight is not None:  # a sample of no weight is no point of the curve
        uncertainty, wrong, weight = (column[weight > 0] for column in (uncertainty, wrong, weight))
    order, starts = rank(uncertainty)
    count = np.append(starts[1:], len(uncertainty))
    accepted, wrong = (count, wrong) if weight is None else (weight[order].cumsum()[count - 1], wrong * weight)
    errors = wrong[order].cumsum()[count - 1]
    ends = np.unique(np.searchsorted(count, np.linspace(0, len(uncertainty), points + 1)[1:]))
    return accepted[ends] / accepted[-1], errors[ends] / accepted[ends]


def rank(uncertainty: Floats) -> tuple[Ints, Ints]:
    """Samples from least to most uncertain, `[N]`, and where each run of ties starts in that order."""
    order = np.argsort(uncertainty, kind="stable")
    ranked = uncertainty[order]
    return order, np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))


def ranked_by_tail(judged: Judged) -> tuple[Ints, Ints]:
    """`rank` of the tails, int32 each."""

    def make() -> tuple[Ints, Ints]:
        order, starts = rank(judged.tail)
        return order.astype(np.int32), starts.astype(np.int32)

    return judged.memo("by_tail", make)


def harmonic_numbers(n: int) -> Floats:
    """H(0) .. H(n), `[n + 1]`."""
    return np.concatenate([[0.0], np.cumsum(1 / np.arange(1, n + 1))])


def _area_of_items(weight: Floats, wrong: Floats, starts: Ints, harmonic: Floats | None) -> float:
    """`_area` of items in rank order, with `weight` and `wrong [N]`, whose ties start at `starts`."""
    size, errors = weight, weight * wrong
    if len(starts) < len(weight):
        size, errors = np.add.reduceat(size, starts), np.add.reduceat(errors, starts)
    return _area(size, errors, harmonic)


def _area(size: Floats, errors: Floats, harmonic: Floats | None) -> float:
    """The mean over ranks by the closed form of ties, from the samples and the errors of each tie `[T]`, the surest first.

    Without `harmonic` numbers, sizes and errors may be any sums of weights.
    """
    samples = size.cumsum()
    if harmonic is None:
        before, errors_before = np.concatenate([[0.0], samples[:-1]]), errors.cumsum() - errors
        rate = errors / nonzero(size)
        span = np.diff(_harmonic(np.concatenate([[0.0], samples])))
        return float((errors + (errors_before - before * rate) * span).sum() / samples[-1])
    if samples[-1] >= len(harmonic):
        harmonic = harmonic_numbers(int(samples[-1]))
    before, errors_before = samples - size, errors.cumsum() - errors
    rate = errors / np.maximum(size, 1)
    rank = samples.astype(np.int64)
    span = harmonic[rank] - harmonic[rank - size.astype(np.int64)]
    return float((errors + (errors_before - before * rate) * span).sum() / samples[-1])


def _harmonic(numbers: Floats) -> Floats:
    """H of real numbers at least 0, but for a constant: `psi(x + 1)`, of large x by its series, which is ten times as fast."""
    from scipy.special import digamma

    y = numbers + 0.5
    square = 1 / (y * y)
    series = square * (1 / 24 - square * (7 / 960 - square * (31 / 8064 - square * (127 / 30720))))
    harmonic: Floats = np.log(y) + series
    small = numbers < SERIES_FROM
    harmonic[small] = digamma(numbers[small] + 1)
    return harmonic
