"""Isotonic calibration of each class, and the Brier score that is left after it: the CORP decomposition."""

from __future__ import annotations

from dataclasses import dataclass

from calibench.lazy import np
from calibench.metrics.aurc import rank
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.class_runs import class_runs
from calibench.metrics.judged import Judged
from calibench.metrics.weighted import weighted_mean, weighted_sums


@dataclass(frozen=True)
class _Ties:
    """For each class and sample, the places along p_k where the tie with that sample starts and ends, `[K, N]` each."""

    starts: Ints
    ends: Ints


def isotonic_brier(judged: Judged, weights: Floats) -> Floats:
    """Brier score of each resample after isotonic regression of [y = k] on p_k for each class, `[B]`, summed over classes."""
    runs = judged.memo(
        "isotonic_runs",
        lambda: class_runs(judged.probs, judged.labels[:, None] == np.arange(judged.num_classes)),
    )
    total, positive = (np.ascontiguousarray(counts.T) for counts in runs.counts(weights))
    left = [_squares_left(size, hits, runs.class_of) for size, hits in zip(total, positive, strict=True)]
    mean: Floats = np.array(left) / weights.sum(axis=1)
    return mean


def isotonic_brier_of_labels(judged: Judged, labels: Ints) -> float:
    """The same for other `labels [N]` of the same samples, in time O(N log N) once the classes are ranked."""
    ties = judged.memo("isotonic_ties", lambda: _ties(judged.probs))
    n, sample = judged.n, np.arange(judged.n)
    # A class that no sample has keeps no error: its isotonic fit is 0.
    starts = ties.starts[labels, sample] + labels * n
    first, index, hits = np.unique(starts, return_index=True, return_counts=True)
    last = (ties.ends[labels, sample] + labels * n)[index]
    class_of = labels[index]
    new_class = np.concatenate([[True], class_of[1:] != class_of[:-1]])
    # Between ties with a sample of the class, and at both ends, lie samples of other classes: hits 0.
    before = np.where(new_class, class_of * n, np.concatenate([[0], last[:-1]]))
    final = np.concatenate([new_class[1:], [True]])
    place = np.concatenate([before, first, last[final]])
    size = np.concatenate([first - before, last - first, (class_of[final] + 1) * n - last[final]]).astype(np.float64)
    of_class = np.concatenate([np.zeros(len(first)), hits, np.zeros(final.sum())])
    kept = np.flatnonzero(size)
    order = kept[np.argsort(place[kept], kind="stable")]
    return _squares_left(size[order], of_class[order], place[order] // n) / n


def _ties(probs: Floats) -> _Ties:
    n, classes = probs.shape
    starts, ends = np.empty((classes, n), dtype=np.int64), np.empty((classes, n), dtype=np.int64)
    for k in range(classes):
        order, first = rank(np.ascontiguousarray(probs[:, k]))
        end = np.append(first[1:], n)
        starts[k, order], ends[k, order] = np.repeat(first, end - first), np.repeat(end, end - first)
    return _Ties(starts, ends)


def _squares_left(size: Floats, hits: Floats, class_of: Ints) -> float:
    """Sum over samples of the squared error after isotonic regression, from the runs of all classes.

    `size` counts the samples of each run, `hits` those of its class, and `class_of` is its class. Adding 2 k to the outcomes
    of class k lets one regression serve all classes: the fit never falls from one class to the next.
    """
    from scipy.optimize import isotonic_regression

    filled = size > 0
    size, hits, class_of = size[filled], hits[filled], class_of[filled]
    fit = isotonic_regression(hits / size + 2.0 * class_of, weights=size).x
    # Equal fits are one block. Its mean follows from the counts, which are exact.
    starts = np.flatnonzero(np.concatenate([[True], fit[1:] != fit[:-1]]))
    size, hits = np.add.reduceat(size, starts), np.add.reduceat(hits, starts)
    return float((hits * (size - hits) / size).sum())


def class_variance(judged: Judged, weights: Floats) -> Floats:
    """`sum over k of c_k (1 - c_k)`, `[B]`, c_k the share of class k: the Brier score of a forecast of c for every sample."""
    one_hot = judged.memo("label_one_hot", lambda: np.eye(judged.num_classes)[judged.labels])
    share = weighted_sums(weights, one_hot) / weights.sum(axis=1)[:, None]
    variance: Floats = (share * (1 - share)).sum(axis=1)
    return variance


def brier_of(judged: Judged, weights: Floats) -> Floats:
    """The Brier score of each resample, `[B]`, as the metric `brier` has it."""
    return weighted_mean(weights, judged.brier)
