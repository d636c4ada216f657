"""A threshold for each class, tuned on labelled samples to a metric of that class against the rest."""

from __future__ import annotations

from calibench import InputError
from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints


def tune(probs: Floats, labels: Ints, metric: str) -> tuple[list[float], list[float]]:
    """For each class k, the threshold t on `probs [N, K]` at which `[p_k >= t]` has the best metric, and that metric.

    `f1`: 2 TP / (2 TP + FP + FN). `balanced-accuracy`: (TP / P + TN / N) / 2, which is best at the same threshold as Youden's
    J = TPR - FPR. A threshold is a probability of some sample; among equals it is the largest, which answers least.
    InputError for a class without samples.
    """
    count = np.bincount(labels, minlength=probs.shape[1])
    missing = np.flatnonzero(count == 0)
    if len(missing):
        classes = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        message = f"threshold: metric={metric} has no sample of class {classes} to tune on"
        raise InputError(message, "fit on samples of every class, or set values=t0;t1;...")
    best = [_best_threshold(probs[:, k], labels == k, metric) for k in range(probs.shape[1])]
    return [threshold for threshold, _ in best], [value for _, value in best]


def _best_threshold(p: Floats, positive: Bools, metric: str) -> tuple[float, float]:
    """The threshold on `p [N]` with the best metric, and the metric."""
    order = np.argsort(-p, kind="stable")
    ranked = p[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # equal probabilities pass together
    passing = ends + 1
    hits = positive[order].cumsum()[ends]
    positives = int(positive.sum())
    if metric == "f1":
        values = 2 * hits / (passing + positives)
    else:
        negatives = len(p) - positives
        values = (hits / positives + 1 - (passing - hits) / negatives) / 2
    best = int(values.argmax())
    return float(ranked[ends[best]]), float(values[best])
