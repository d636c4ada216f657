"""Metrics of answers that thresholds are tuned to, from counts; and precision, recall and F1 of each class for the record."""

from __future__ import annotations

from typing import Any, NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints

METRICS = ("f1", "fbeta", "balanced-accuracy", "mcc", "youden")

MEANING = (
    "f1, fbeta (with beta): (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP); balanced-accuracy: (TPR + TNR) / 2 of one class, "
    "mean recall of several; youden: TPR + TNR - 1; mcc: Matthews correlation"
)


class Counts(NamedTuple):
    """Counts of one class against the rest, arrays of one shape: one entry for each threshold, or for each class."""

    hits: Ints
    answers: Ints
    support: Ints
    n: int

    def of_the_rest(self) -> Counts:
        """The counts of the rest against the class."""
        return Counts(
            self.n - self.support - self.answers + self.hits, self.n - self.answers, self.n - self.support, self.n
        )


def metric_of_class(metric: str, beta: float, counts: Counts, mean_recall: bool = False) -> Floats:
    """The metric of a class against the rest; 0 where its denominator is 0.

    With `mean_recall`, `balanced-accuracy` is the recall of the class: its mean over the classes is the metric of all.
    """
    hits, answers, support = (x.astype(np.float64) for x in counts[:3])
    if metric in {"f1", "fbeta"}:
        b = beta**2
        return _ratio((1 + b) * hits, b * support + answers)
    rest = counts.n - support
    if metric == "mcc":
        product = answers * (counts.n - answers) * support * rest
        return _ratio(hits * counts.n - answers * support, np.sqrt(product))
    recall, specificity = _ratio(hits, support), 1 - _ratio(answers - hits, rest)
    if metric == "youden":
        return recall + specificity - 1
    return recall if mean_recall else (recall + specificity) / 2


def multiclass_mcc(hits: Floats, products: Floats, squares: Floats, support: Ints) -> Floats:
    """Gorodkin's R_K from c = sum_k hits_k, sum_k answers_k support_k and sum_k answers_k^2; 0 where it is 0 / 0."""
    n = float(support.sum())
    product = (n**2 - squares) * (n**2 - float((support.astype(np.float64) ** 2).sum()))
    return _ratio(hits * n - products, np.sqrt(np.maximum(product, 0)))


def rates(answers: Bools, truth: Bools) -> dict[str, list[float]]:
    """`precision`, `recall` and `f1` of each column of `answers [N, C]`, which is True where the class or label is answered."""
    hits, said, support = (answers & truth).sum(axis=0), answers.sum(axis=0), truth.sum(axis=0)
    return {
        "precision": _ratio(hits, said).tolist(),
        "recall": _ratio(hits, support).tolist(),
        "f1": _ratio(2 * hits, said + support).tolist(),
    }


def _ratio(top: Any, bottom: Any) -> Floats:
    top, bottom = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    shape = np.broadcast_shapes(top.shape, bottom.shape)
    ratio: Floats = np.divide(top, bottom, out=np.zeros(shape), where=bottom > 0)
    return ratio
