"""The losses that are robust to wrong labels as their papers and their authors' code have them, in float64 with numpy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from objective_cases import Array, Formula, log_softmax, of_p, one_hot


def of_all(f: Callable[[Array, Array], Array]) -> Formula:
    """The mean of `f(probabilities [N, K], one-hot labels)`."""
    return lambda z, y, _: float(f(np.exp(log_softmax(z)), one_hot(y, z.shape[1])).mean())


def nce(p: Array, o: Array) -> Array:
    """Ma et al. 2020, equation 4: the cross-entropy over the sum of the cross-entropies of all labels."""
    every_label = [-(one_hot(np.full(len(p), j), p.shape[1]) * np.log(p)).sum(axis=1) for j in range(p.shape[1])]
    return -(o * np.log(p)).sum(axis=1) / np.sum(every_label, axis=0)


def rce(p: Array, o: Array, floor: float = 1e-4) -> Array:
    """As the authors' code: labels clipped at 1e-4 under the natural logarithm."""
    return -(p * np.log(np.clip(o, floor, 1.0))).sum(axis=1)


def nnce(p: Array, o: Array, floor: float = 1e-7) -> Array:
    """Ye et al. 2023: one minus the share of A - CE of the label among those of all labels."""
    above = -math.log(floor) + np.log(np.clip(p, floor, 1.0))
    return 1 - (o * above).sum(axis=1) / above.sum(axis=1)


def js(weight: float) -> Formula:
    """Englesson and Azizpour 2021, equation 3, of the label and one prediction: by entropies, H(mean) - mean of H."""

    def entropy(q: Array) -> Array:
        return -(q * np.log(np.where(q > 0, q, 1.0))).sum(axis=1)

    def f(p: Array, o: Array) -> Array:
        divergence = entropy(weight * o + (1 - weight) * p) - weight * entropy(o) - (1 - weight) * entropy(p)
        return divergence / -((1 - weight) * math.log(1 - weight))

    return of_all(f)


def agce(a: float, q: float) -> Formula:
    return of_p(lambda p: ((a + 1) ** q - (a + p) ** q) / q)


ROBUST_FORMULAS: dict[str, Formula] = {
    "sce": of_all(lambda p, o: -0.1 * (o * np.log(p)).sum(axis=1) + rce(p, o)),
    "sce:log_zero=-4": of_p(lambda p: -0.1 * np.log(p) + 4 * (1 - p)),  # as the paper's text has it
    "nce-rce": of_all(lambda p, o: nce(p, o) + rce(p, o)),
    "nce-rce:alpha=10,beta=0.1,log_zero=-4": of_all(lambda p, o: 10 * nce(p, o) + 0.1 * 4 * (1 - (o * p).sum(axis=1))),
    "agce": agce(0.6, 0.6),
    "agce:a=4,q=0.2": agce(4.0, 0.2),
    "anl": of_all(lambda p, o: 5 * nce(p, o) + 5 * nnce(p, o)),  # without the L1 norm; test_anl.py has its steps
    "anl:alpha=1,beta=2,min_prob=0.01": of_all(lambda p, o: nce(p, o) + 2 * nnce(p, o, 0.01)),
    "gjs": js(0.7),  # one view; test_gjs.py has the steps of two
    "gjs:weight=0.1": js(0.1),
}
