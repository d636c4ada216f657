"""A threshold t_k for each of K classes, where `argmax_k p_k / t_k` answers: tuned to a metric of these answers.

Everything is in log space: the answer is the argmax of `s + w`, with s = ln p and w = -ln t. Coordinate ascent changes one w_k
at a time. The samples that answer k are then those with w_k > max over j != k of (s_j + w_j) - s_k, so one sort by this
number gives the metric at every possible w_k.
"""

from __future__ import annotations

from typing import NamedTuple

from calibench import RunError
from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench_methods.decisions.answer_metrics import Counts, metric_of_class, multiclass_mcc

SWEEPS = 20
"""Sweeps over the classes at most; on CIFAR-100 the ascent ends after 4 to 6."""

GAP = 1e-9
"""Samples whose places differ by less than this count as tied: a threshold between them would be at the mercy of rounding."""


class Tuned(NamedTuple):
    """Thresholds `[K]` that sum to 1, and the metric of the answers on the fitted samples before and after."""

    thresholds: Floats
    before: float
    after: float


def tune_ratios(log_probs: Floats, labels: Ints, metric: str, beta: float) -> Tuned:
    """The thresholds t at which the `metric` of the answers `argmax_k p_k / t_k` is best, by coordinate ascent from t = 1 / K.

    `mcc` is Gorodkin's R_K; every other metric is the mean over classes. A threshold moves only if the metric rises, to the
    middle of the best gap between two samples. The ascent stops at a local optimum, or after 20 sweeps. RunError for log
    probabilities so far apart that a threshold is 0 in float64.
    """
    n, k = log_probs.shape
    offsets = np.zeros(k)
    support = np.bincount(labels, minlength=k)
    scores = log_probs.copy()
    first, second = _two_largest(scores)
    before = best = _value(first, labels, support, metric, beta)
    for _ in range(SWEEPS):
        start = best
        for c in range(k):
            rival = np.where(first == c, second, first)
            needed = scores[np.arange(n), rival] - log_probs[:, c]
            offset, value = _best_offset(needed, rival, c, labels, support, metric, beta)
            if value > best + 1e-12:
                best, offsets[c] = value, offset
                scores[:, c] = log_probs[:, c] + offset
                moved = (first == c) | (second == c) | (scores[:, c] >= scores[np.arange(n), second])
                first[moved], second[moved] = _two_largest(scores[moved])
        if best <= start:
            break
    thresholds = np.exp(offsets.min() - offsets)
    if thresholds.min() < np.finfo(np.float64).tiny:
        message = f"thresholds: class {int(thresholds.argmin())} needs one below {np.finfo(np.float64).tiny:.0e}"
        raise RunError(
            message, "logits of thousands and more cannot be tuned: put a calibrator first, as temperature+threshold"
        )
    return Tuned(thresholds / thresholds.sum(), before, best)


def _two_largest(scores: Floats) -> tuple[Ints, Ints]:
    """The classes with the largest and the second largest score of each row, the lowest index among equals."""
    first = scores.argmax(axis=1)
    others = scores.copy()
    others[np.arange(len(scores)), first] = -np.inf
    return first, others.argmax(axis=1)


def _best_offset(
    needed: Floats, rival: Ints, c: int, labels: Ints, support: Ints, metric: str, beta: float
) -> tuple[float, float]:
    """The w_c with the best metric, all other w fixed, and that metric.

    A sample answers c if w_c exceeds its `needed [N]`, and else its `rival [N]`.
    """
    order = np.argsort(needed, kind="stable")
    needed = needed[order]
    values = _path(rival[order], labels[order], c, support, metric, beta)
    # Entry m is the metric if the first m samples answer c: possible where a gap lies between sample m - 1 and sample m.
    gaps = np.concatenate([[np.inf], np.diff(needed), [np.inf]])
    i = int(np.where(gaps > GAP, values, -np.inf).argmax())
    if i == 0:
        return float(needed[0] - 1), float(values[0])
    if i == len(needed):
        return float(needed[-1] + 1), float(values[-1])
    return float(needed[i - 1] + needed[i]) / 2, float(values[i])


def _path(rival: Ints, labels: Ints, c: int, support: Ints, metric: str, beta: float) -> Floats:
    """The metric if the first 0, 1, ..., N samples answer c, and every later one its `rival`."""
    n, k = len(labels), len(support)
    own_hits: Ints = _from_zero(labels == c).astype(np.int64)
    hit = rival == labels
    hits, answers = np.bincount(rival[hit], minlength=k), np.bincount(rival, minlength=k)
    left, lost = _running(rival, hit)  # how many samples, and hits, the rival has lost after this one
    own_answers = np.arange(n + 1)
    if metric == "mcc":
        right = hits.sum() + _from_zero((labels == c).astype(np.int64) - hit)
        products = (answers * support).sum() + _from_zero(support[c] - support[rival])
        remaining = answers[rival] - left
        squares = (answers.astype(np.float64) ** 2).sum() - _from_zero(2 * remaining + 1) + own_answers**2
        return multiclass_mcc(right.astype(np.float64), products.astype(np.float64), squares, support)

    def value(hits: Ints, answers: Ints, of: Ints) -> Floats:
        return metric_of_class(metric, beta, Counts(hits, answers, of, n), mean_recall=True)

    others = np.arange(k) != c
    base = value(hits[others], answers[others], support[others]).sum()
    after = value(hits[rival] - lost, answers[rival] - left, support[rival])
    prior = value(hits[rival] - lost + hit, answers[rival] - left + 1, support[rival])
    mean: Floats = (base + _from_zero(after - prior) + value(own_hits, own_answers, support[c : c + 1])) / k
    return mean


def _running(group: Ints, hit: Ints) -> tuple[Ints, Ints]:
    """For each sample the number of samples, and of hits, of its group up to and with this one."""
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    hits = _from_zero(hit[order].astype(np.int64))
    count, lost = np.empty(len(group), dtype=np.int64), np.empty(len(group), dtype=np.int64)
    count[order] = np.arange(len(group)) - first + 1
    lost[order] = hits[1:] - hits[first]
    return count, lost


def _from_zero(steps: Floats | Ints) -> Floats | Ints:
    """0, then the cumulative sums."""
    return np.concatenate([[0], np.cumsum(steps)])


def _value(answers: Ints, labels: Ints, support: Ints, metric: str, beta: float) -> float:
    k, n = len(support), len(labels)
    hits, said = np.bincount(labels[answers == labels], minlength=k), np.bincount(answers, minlength=k)
    if metric == "mcc":
        right, products, squares = (np.array(float(x.sum())) for x in (hits, said * support, said.astype(float) ** 2))
        return float(multiclass_mcc(right, products, squares, support))
    return float(metric_of_class(metric, beta, Counts(hits, said, support, n), mean_recall=True).mean())
