"""Maps of logits that are linear in their parameters: fitted with a penalty, whose weight cross-validation selects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from calibench.lazy import np
from calibench_methods.calibrators.convex import TOLERANCE, Linear, newton_cg
from calibench_methods.calibrators.multiclass import Floats, Ints

LOOSE_TOLERANCE = 1e-5
"""Tolerance of the fits that compare weights: far less than the difference between two weights."""

STOP_RATIO = 1.01
"""The comparison of weights stops at a loss that is larger than the least one by this factor."""

FOLDS = 3


class LogitMap(ABC):
    """A map of logits `z [N, K]` that is linear in its parameters `x [P]`, with the penalty `1/2 d A d`, d = x - start."""

    start: Floats
    """Parameters `[P]` of the identity map, where the penalty is 0."""

    @abstractmethod
    def mapped(self, x: Floats, z: Floats) -> Floats:
        """The mapped logits `[N, K]`."""

    @abstractmethod
    def adjoint(self, by_logit: Floats, z: Floats) -> Floats:
        """Derivatives by parameter `[P]`, from derivatives by mapped logit `[N, K]`."""

    @abstractmethod
    def penalty_product(self, d: Floats) -> Floats:
        """`A d`."""

    @abstractmethod
    def penalty_diagonal(self) -> Floats:
        """The diagonal of A, > 0."""

    def preconditioner(self, p: Floats, z: Floats) -> Linear:
        """An approximate inverse of the Hessian at mapped probabilities p: the inverse of its diagonal."""
        diagonal = self.adjoint(p * (1 - p), z * z) / len(z) + self.penalty_diagonal()
        return lambda v: v / diagonal

    def nll(self, x: Floats, z: Floats, labels: Ints) -> float:
        """Mean NLL of the mapped logits, in nats."""
        return float(-_log_softmax(self.mapped(x, z))[np.arange(len(z)), labels].mean())

    def fit(
        self, z: Floats, labels: Ints, name: str, tolerance: float = TOLERANCE, start: Floats | None = None
    ) -> Floats:
        """The parameters that minimise mean NLL + penalty."""
        rows = np.arange(len(z))

        def loss(x: Floats) -> tuple[float, Floats, Linear, Callable[[], Linear]]:
            log_p = _log_softmax(self.mapped(x, z))
            p = np.exp(log_p)
            penalty_gradient = self.penalty_product(x - self.start)
            value = float(-log_p[rows, labels].mean() + (x - self.start) @ penalty_gradient / 2)
            residual = p.copy()
            residual[rows, labels] -= 1

            def times_hessian(v: Floats) -> Floats:
                u = p * self.mapped(v, z)
                u -= p * u.sum(axis=1, keepdims=True)
                return self.adjoint(u, z) / len(z) + self.penalty_product(v)

            gradient = self.adjoint(residual, z) / len(z) + penalty_gradient
            return value, gradient, times_hessian, lambda: self.preconditioner(p, z)

        return newton_cg(loss, self.start if start is None else start, name, tolerance)


def _log_softmax(x: Floats) -> Floats:
    x = x - x.max(axis=1, keepdims=True)
    log_p: Floats = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    return log_p


def folds(labels: Ints) -> Ints:
    """The fold 0, 1 or 2 of each sample: stratified by class, in the samples' order, so that nothing is drawn at random."""
    fold = np.empty(len(labels), dtype=np.int64)
    fold[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % FOLDS
    return fold


def cross_validated(
    build: Callable[[float], LogitMap], weights: Sequence[float], z: Floats, labels: Ints, name: str
) -> float:
    """The weight with the least NLL on held-out folds; `weights` run from the heaviest down.

    The comparison stops after two weights in a row that are worse than the best, or after one that is worse by a percent.
    """
    fold = folds(labels)
    starts: list[Floats | None] = [None] * FOLDS
    best, least_nll, worse_in_a_row = weights[0], np.inf, 0
    for weight in weights:
        total = 0.0
        for number in range(FOLDS):
            held_out = fold == number
            if held_out.all() or not held_out.any():
                continue
            x = build(weight).fit(z[~held_out], labels[~held_out], name, LOOSE_TOLERANCE, starts[number])
            starts[number] = x  # the next weight starts here
            total += build(weight).nll(x, z[held_out], labels[held_out]) * int(held_out.sum())
        worse_in_a_row = 0 if total < least_nll else worse_in_a_row + 1
        if total < least_nll:
            best, least_nll = weight, total
        if worse_in_a_row == 2 or total > STOP_RATIO * least_nll:
            break
    return best
