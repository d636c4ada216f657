"""A threshold for each class, tuned on labelled samples to a figure of one class against the rest."""

from __future__ import annotations

from calibench import InputError
from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints


def tune(probs: Floats, labels: Ints, metric: str) -> tuple[list[float], list[float]]:
    """For each class k the threshold t on `probs [N, K]` at which the figure of [p_k >= t] is best, and that figure.

    `f1`: 2 TP / (2 TP + FP + FN). `balanced-accuracy`: (TP / P + TN / N) / 2; Youden's J = TPR - FPR is best at the same
    place. Thresholds are probabilities that occur; the largest among equals, which answers least. Raises InputError for a
    class that no sample has.
    """
    count = np.bincount(labels, minlength=probs.shape[1])
    missing = np.flatnonzero(count == 0)
    if len(missing):
        which = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        message = f"threshold: metric={metric} has no sample of class {which} to tune on"
        raise InputError(message, "fit on samples of every class, or give values=t0;t1;...")
    found = [_best(probs[:, k], labels == k, metric) for k in range(probs.shape[1])]
    return [t for t, _ in found], [value for _, value in found]


def _best(p: Floats, own: np.ndarray, metric: str) -> tuple[float, float]:
    order = np.argsort(-p, kind="stable")
    ranked = p[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    taken = ends + 1
    hits = own[order].cumsum()[ends]
    positives = int(own.sum())
    if metric == "f1":
        figure = 2 * hits / (taken + positives)
    else:
        negatives = len(p) - positives
        figure = (hits / positives + 1 - (taken - hits) / negatives) / 2
    best = int(figure.argmax())
    return float(ranked[ends[best]]), float(figure[best])
