"""Conformal quantiles: one for all samples, one for each class (Mondrian), or one for each cluster of classes."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""Levels of the quantiles by which classes are clustered, beside 1 - alpha (Ding et al. 2023, section 2.2 and appendix B)."""

MOST_NAMED = 5


class Quantile(NamedTuple):
    """The `rank`-th least of `n` scores, and its `value`: infinite if there are too few scores, so that everything conforms."""

    value: float
    rank: int
    n: int

    @property
    def at_least(self) -> float:
        """The mean coverage that is ensured over draws of the scores."""
        return min(self.rank / (self.n + 1), 1.0)


def conformal_quantile(scores: Floats, alpha: float) -> Quantile:
    """The ceil((n + 1)(1 - alpha))-th least of the scores `[n]`."""
    n = len(scores)
    # In fractions: (9 + 1) (1 - 0.1) is 9, but its ceiling in floats may be 10.
    rank = math.ceil((n + 1) * (1 - Fraction(repr(alpha))))
    return Quantile(math.inf if rank > n else float(np.sort(scores)[rank - 1]), rank, n)


def enough(alpha: float) -> int:
    """The least number of scores that have a finite quantile."""
    return math.ceil(1 / Fraction(repr(alpha))) - 1


def quantile_of_all(scores: Floats, alpha: float) -> dict[str, Any]:
    """The record of one quantile for all samples."""
    quantile = conformal_quantile(scores, alpha)
    fitted: dict[str, Any] = {"n_scores": quantile.n, "rank": quantile.rank, "at_least": quantile.at_least}
    if quantile.value < math.inf:
        return {**fitted, "quantile": quantile.value}
    few = f"{quantile.n} samples are too few for alpha {alpha:g}, which needs {enough(alpha)}"
    return {**fitted, "quantile": None, "note": f"{few}: every set contains all classes"}


def quantiles_by_class(scores: Floats, labels: Ints, num_classes: int, alpha: float) -> dict[str, Any]:
    """The record of one quantile for each class, from the scores of its samples; null where they are too few."""
    by_class = [conformal_quantile(scores[labels == k], alpha) for k in range(num_classes)]
    fitted = _grouped(by_class, len(scores))
    few = [str(k) for k, quantile in enumerate(by_class) if quantile.value == math.inf]
    if few:
        named = ", ".join(few[:MOST_NAMED]) + (f" and {len(few) - MOST_NAMED} others" if len(few) > MOST_NAMED else "")
        noun, verb = ("class", "has") if len(few) == 1 else ("classes", "have")
        why = f"{noun} {named} {verb} fewer than the {enough(alpha)} samples that alpha {alpha:g} needs"
        fitted["note"] = f"{why}: every set contains {'it' if len(few) == 1 else 'them'}"
    return fitted


def quantiles_by_cluster(scores: Floats, labels: Ints, num_classes: int, alpha: float, draws: Floats) -> dict[str, Any]:
    """The record of one quantile for each cluster of classes with like scores (Ding et al. 2023).

    A share gamma of the samples, those whose `draws [n]`, uniform on [0, 1), are below it, clusters the classes: k-means,
    weighted by the root of their counts, of the quantiles of their scores at `LEVELS` and 1 - alpha. The other samples
    give the quantile of each cluster. Classes with too few samples to be clustered share the quantile of all samples. If the
    paper's number of clusters reaches the number of classes, each class is its own cluster, and all samples give quantiles.
    """
    count = np.bincount(labels, minlength=num_classes)
    least = max(int(count.min()), enough(alpha))
    rich = int((count >= least).sum())
    for_clusters = int(least * rich / (75 + rich))
    clusters, gamma = for_clusters // 2, for_clusters / least
    if clusters >= num_classes:
        return quantiles_by_class(scores, labels, num_classes, alpha) | {"clusters": list(range(num_classes))}
    first = draws < gamma
    assigned = np.full(num_classes, -1)
    counted = np.bincount(labels[first], minlength=num_classes)
    classes = np.flatnonzero(counted >= enough(alpha))
    if 1 < clusters < len(classes):
        assigned[classes] = _clustered([scores[first & (labels == k)] for k in classes], clusters, alpha)
        scores, labels = scores[~first], labels[~first]
    of_cluster = {-1: conformal_quantile(scores, alpha)}
    of_cluster |= {c: conformal_quantile(scores[assigned[labels] == c], alpha) for c in set(assigned.tolist()) - {-1}}
    fitted = _grouped([of_cluster[c] for c in assigned.tolist()], len(scores))
    found = len(of_cluster) - 1
    fitted |= {"clusters": assigned.tolist(), "cluster_samples": len(draws) - len(scores)}
    notes = []
    if not found:
        notes.append(f"{len(draws)} samples are too few to cluster {num_classes} classes: all share one quantile")
    elif (assigned < 0).any():
        notes.append(
            f"{int((assigned < 0).sum())} classes have too few samples to be clustered and share the quantile of all"
        )
    if any(quantile.value == math.inf for quantile in of_cluster.values()):
        notes.append("a group has too few samples for alpha: every set contains its classes")
    return fitted | ({"note": "; ".join(notes)} if notes else {})


def _clustered(scores: list[Floats], clusters: int, alpha: float) -> Ints:
    """The cluster of each class, from the scores of each."""
    from sklearn.cluster import KMeans

    levels = sorted({*LEVELS, 1 - alpha})
    embedded = np.array([[_upper_quantile(s, level) for level in levels] for s in scores])
    weights = np.sqrt([len(s) for s in scores])
    assigned: Ints = KMeans(clusters, n_init=10, random_state=0).fit(embedded, sample_weight=weights).labels_
    return assigned


def _upper_quantile(scores: Floats, level: float) -> float:
    """The conformal quantile at this level; the largest score where it would be infinite."""
    return min(conformal_quantile(scores, 1 - level).value, float(scores.max()))


def _grouped(by_class: list[Quantile], n: int) -> dict[str, Any]:
    """The fields of a record with one quantile for each class: null for an infinite one."""
    return {
        "n_scores": n,
        "quantiles": [None if quantile.value == math.inf else quantile.value for quantile in by_class],
        "scores_per_class": [quantile.n for quantile in by_class],
        "at_least": min(quantile.at_least for quantile in by_class),
    }
