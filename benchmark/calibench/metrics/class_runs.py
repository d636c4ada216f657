"""Runs of samples along the probability of each class: all that ranks of one class against the rest depend on.

Samples with equal probability form a tie. A tie with a sample of the class is a run of its own; neighbouring ties without one
are merged. So N samples of K classes have at most 2 N + K runs, and each resample costs as much as their counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from calibench.lazy import np
from calibench.metrics.aurc import rank
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.judged import Judged
from calibench.metrics.label_answers import has_several_labels, labels_by_sample


@dataclass(frozen=True)
class ClassRuns:
    """The G runs of C classes, class after class, each class from its smallest probability up."""

    members: Any
    """Sparse `[G, N]`: 1 where the run contains the sample. It takes 12 bytes for each of the N C entries."""
    positives: Any
    """Sparse `[G, N]`: 1 where the run contains the sample, and the sample is of the run's class."""
    class_of: Ints
    """The class of each run, `[G]`."""
    starts: Ints
    """The first run of each class, `[C]`."""

    def counts(self, weights: Floats) -> tuple[Floats, Floats]:
        """The samples of each run, and those of the run's class, `[G, B]` each, for `weights [B, N]`; whole numbers, exact."""
        columns = np.ascontiguousarray(weights.T)
        return self.members @ columns, self.positives @ columns

    def per_class(self, values: Floats) -> Floats:
        """Sums of `values [G, B]` over the runs of each class, `[C, B]`."""
        return np.add.reduceat(values, self.starts, axis=0)

    def until(self, values: Floats) -> Floats:
        """Sums of `values [G, B]` (whole numbers) over the run and those below it in its class, `[G, B]`."""
        running = values.cumsum(axis=0)
        below = np.zeros((len(self.starts), values.shape[1]))
        below[1:] = running[self.starts[1:] - 1]
        running -= below[self.class_of]
        return running


def class_runs(probs: Floats, truth: Bools) -> ClassRuns:
    """The runs along each column of `probs [N, C]`; `truth [N, C]` tells whether the sample is of the class."""
    from scipy.sparse import csr_array

    n, classes = probs.shape
    orders, bounds, per_class = np.empty((classes, n), dtype=np.int32), [], []
    for k in range(classes):
        order, starts = rank(np.ascontiguousarray(probs[:, k]))
        orders[k] = order
        of_class = np.logical_or.reduceat(truth[order, k], starts)
        first = of_class.copy()
        first[1:] |= of_class[:-1]
        first[0] = True
        bounds.append(starts[first] + k * n)
        per_class.append(int(first.sum()))
    pointers = np.concatenate([*bounds, [n * classes]])
    ranked_truth = np.take_along_axis(truth.T, orders.astype(np.int64), axis=1).ravel()
    kept = np.concatenate([[0], ranked_truth.cumsum()])[pointers]
    shape = (len(pointers) - 1, n)
    samples = orders.ravel()
    starts = np.concatenate([[0], np.cumsum(per_class)[:-1]])
    return ClassRuns(
        csr_array((np.ones(len(samples)), samples, pointers), shape=shape),
        csr_array((np.ones(int(kept[-1])), samples[ranked_truth], kept), shape=shape),
        np.repeat(np.arange(classes), per_class),
        starts,
    )


def ranked_classes(judged: Judged) -> ClassRuns:
    """The runs of the classes that AUROC and AUPRC rank: p_1 of two classes, each of K > 2, or p(yes) of each of Q labels."""
    return judged.memo("ranked_classes", lambda: _ranked_classes(judged))


def _ranked_classes(judged: Judged) -> ClassRuns:
    if has_several_labels(judged):
        return class_runs(judged.probs[:, 1].reshape(-1, judged.labels_per_sample), labels_by_sample(judged) == 1)
    if judged.num_classes == 2:
        return class_runs(judged.probs[:, 1:], judged.labels[:, None] == 1)
    return class_runs(judged.probs, judged.labels[:, None] == np.arange(judged.num_classes))


def mean_of_defined(figures: Floats) -> Floats:
    """The mean over classes of `figures [C, B]`, `[B]`; NaN entries are left out, and NaN if there are no others."""
    defined = ~np.isnan(figures)
    count = defined.sum(axis=0)
    total = np.where(defined, figures, 0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
