"""Curves of operating points: risk against coverage, precision against recall, and cost against the threshold."""

from __future__ import annotations

from typing import Any

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.binomial import lower_bound, upper_bound
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once

MOST_POINTS = 200
"""A curve has at most so many points, evenly spaced among the thresholds that occur."""


def risk_coverage(judged: Judged, level: float = 0.95) -> dict[str, Any]:
    """The error rate of the surest samples against their share, with the confidence that the least sure of them has.

    `low` and `high` are Clopper-Pearson bounds at `level`, each for one point by itself, as if its threshold were fixed before;
    of weighted samples, with the effective number of those that are accepted.
    """
    own = once(judged)[0]
    order = np.argsort(judged.tail, kind="stable")
    ranked = judged.tail[order]
    ends = _thinned(np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)))
    accepted = own[order].cumsum()[ends]
    errors = (own * ~judged.is_correct)[order].cumsum()[ends]
    ends, errors, accepted = ends[accepted > 0], errors[accepted > 0], accepted[accepted > 0]
    coverage, risk = accepted / own.sum(), errors / accepted
    if judged.sample_weight is not None:
        accepted = accepted**2 / (own**2)[order].cumsum()[ends]
        errors = risk * accepted
    alpha = (1 - level) / 2
    return {
        "threshold": _numbers(1 / (1 + ranked[ends])),
        "coverage": _numbers(coverage),
        "risk": _numbers(risk),
        "low": _numbers(lower_bound(errors, accepted, alpha)),
        "high": _numbers(upper_bound(errors, accepted, alpha)),
    }


def precision_recall(judged: Judged, positive: int, level: float = 0.95) -> dict[str, Any]:
    """Precision and recall of the class `positive` against the threshold on its probability; both bounds as `risk_coverage` has.

    Empty where no sample, or every sample, is of the class.
    """
    truth = judged.labels == positive
    if not truth.any() or truth.all():
        return {}
    p = judged.probs_of(positive)
    order = np.argsort(-p, kind="stable")
    ranked = p[order]
    ends = _thinned(np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)))
    hits, said = truth[order].cumsum()[ends], ends + 1
    alpha = (1 - level) / 2
    return {
        "positive": positive,
        "threshold": _numbers(ranked[ends]),
        "precision": _numbers(hits / said),
        "recall": _numbers(hits / truth.sum()),
        "low": _numbers(lower_bound(hits, said, alpha)),
        "high": _numbers(upper_bound(hits, said, alpha)),
    }


def cost_curve(judged: Judged, costs: Floats, positive: int = 1) -> dict[str, Any]:
    """The mean cost against a threshold, by `costs [K, K]` or `[K, K + 1]`, whose last column is the cost of abstention.

    With abstention, the most probable class answers from the threshold on its confidence. Of two classes without it, class
    `positive` answers from the threshold on its probability. Otherwise there is no such curve, and it is empty.
    """
    rows = np.arange(judged.n)
    if costs.shape[1] > judged.num_classes:
        by = judged.confidence
        above = costs[judged.labels, judged.prediction]
        below = costs[judged.labels, -1]
        kind = "confidence"
    elif judged.num_classes == 2:
        by = judged.probs_of(positive)
        above, below = costs[judged.labels, positive], costs[judged.labels, 1 - positive]
        kind = "probability"
    else:
        return {}
    order = np.argsort(-by, kind="stable")
    ranked = by[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    change = np.append(0.0, (above - below)[order].cumsum())[np.append(0, ends + 1)]
    mean = (below[rows].sum() + change) / judged.n
    keep = _thinned(np.arange(len(mean)))
    threshold = np.append(np.inf, ranked[ends])[keep]
    return {
        "of": kind,
        "positive": None if kind == "confidence" else positive,
        "threshold": [None if np.isinf(value) else float(value) for value in threshold],
        "mean_cost": _numbers(mean[keep]),
        "always_argmax": float(costs[judged.labels, judged.prediction].mean()),
    }


def _thinned(places: Ints) -> Ints:
    if len(places) <= MOST_POINTS:
        return places
    chosen: Ints = np.unique(np.rint(np.linspace(0, len(places) - 1, MOST_POINTS)).astype(np.int64))
    return places[chosen]


def _numbers(values: Floats) -> list[float]:
    numbers: list[float] = np.asarray(values, dtype=np.float64).tolist()
    return numbers
