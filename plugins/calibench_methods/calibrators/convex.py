"""Minimising smooth, strictly convex losses in float64, and picking a penalty's weight by cross-validation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from calibench import RunError
from calibench.lazy import np
from calibench_methods.calibrators.multiclass import Floats, Ints

Loss = Callable[[Floats], tuple[float, Floats, Floats]]
"""Parameters `[P]` to the value, the gradient `[P]` and the Hessian `[P, P]`."""

Linear = Callable[[Floats], Floats]
"""A linear map of a vector `[P]`."""

CurvedLoss = Callable[[Floats], tuple[float, Floats, Linear, Callable[[], Linear]]]
"""Parameters `[P]` to the value, the gradient, the Hessian's product, and what makes the product of its rough inverse."""

MANY_PRODUCTS = 10
"""A step that took more Hessian products has the rough inverse made anew."""

FLAT = 1e-9
"""Largest entry of the gradient at which a fit has converged, of a loss that is a mean over samples in nats."""

LOOSE = 1e-5
"""The same while weights are compared: far less than the difference that one makes."""

CLEARLY = 1.01

FOLDS = 3


def newton(loss: Loss, start: Floats, name: str, steps: int = 200) -> Floats:
    """The parameters at the minimum, by Newton's method with halved steps; RunError where that is not reached."""
    at = start
    value, gradient, hessian = loss(at)
    for _ in range(steps):
        if np.abs(gradient).max() <= FLAT:
            return at
        # A mean of squared curvatures can vanish in some direction to rounding; a step of least norm is then right.
        step = np.linalg.lstsq(hessian, -gradient, rcond=1e-15)[0]
        slope, length = float(gradient @ step), 1.0
        while True:
            new = loss(at + length * step)
            # Beside the minimum values differ by rounding alone; a smaller gradient tells progress there.
            flatter = new[0] <= value + 1e-14 * (1 + abs(value)) and np.abs(new[1]).max() < np.abs(gradient).max()
            if new[0] <= value + 1e-4 * length * slope or flatter:
                break
            length /= 2
            if length < 1e-12:
                return _flat_enough(at, gradient, name)
        at, (value, gradient, hessian) = at + length * step, new
    return _flat_enough(at, gradient, name)


def newton_cg(loss: CurvedLoss, start: Floats, name: str, flat: float = FLAT, steps: int = 300) -> Floats:
    """`newton` for many parameters: each step by conjugate gradients, preconditioned by the Hessian's rough inverse."""
    at, products, rough = start, 0, None
    value, gradient, times_hessian, invert = loss(at)
    for _ in range(steps):
        size = np.abs(gradient).max()
        if size <= flat:
            return at
        if rough is None or products > MANY_PRODUCTS:
            rough = invert()
        step, products = _conjugate_gradients(times_hessian, -gradient, rough, min(0.1, float(np.sqrt(size))))
        slope, length = float(gradient @ step), 1.0
        while True:
            new = loss(at + length * step)
            flatter = new[0] <= value + 1e-14 * (1 + abs(value)) and np.abs(new[1]).max() < size
            if new[0] <= value + 1e-4 * length * slope or flatter:
                break
            length /= 2
            if length < 1e-12:
                return _flat_enough(at, gradient, name)
        at, (value, gradient, times_hessian, invert) = at + length * step, new
    return _flat_enough(at, gradient, name)


def _conjugate_gradients(times: Linear, target: Floats, rough: Linear, tolerance: float) -> tuple[Floats, int]:
    """x with `H x` near `target`, to `tolerance` of its size in the norm of the rough inverse, and how many products it took."""
    x, rest = np.zeros_like(target), target.copy()
    scaled = rough(rest)
    way, product = scaled.copy(), float(rest @ scaled)
    goal = tolerance**2 * product
    for count in range(200):
        if product <= goal:
            return x, count
        bent = times(way)
        length = product / float(way @ bent)
        x += length * way
        rest -= length * bent
        scaled = rough(rest)
        product, last = float(rest @ scaled), product
        way = scaled + product / last * way
    return x, 200


def _flat_enough(at: Floats, gradient: Floats, name: str) -> Floats:
    """Rounding can stop a search a little short; more than a thousandfold is a failure."""
    if not np.abs(gradient).max() <= 1e3 * FLAT:
        message = f"{name}: the fit did not converge: its gradient is still {np.abs(gradient).max():.1e}"
        raise RunError(
            message, "logits of thousands and more cannot be fitted: are they logits? divide them all by one number"
        )
    return at


def logistic(features: Floats, target: Floats, pull: float, centre: Floats, name: str) -> Floats:
    """Coefficients `[D]` of a logistic regression on features `[N, D]`, with targets `[N]` in [0, 1].

    Minimises mean(ln(1 + exp(X c)) - t X c) + pull/2 |c - centre|^2, features of unit scale, in nats.
    """

    def loss(c: Floats) -> tuple[float, Floats, Floats]:
        x = features @ c
        p = np.exp(-np.logaddexp(0, -x))
        value = np.mean(np.logaddexp(0, x) - target * x) + pull / 2 * np.square(c - centre).sum()
        gradient = features.T @ (p - target) / len(x) + pull * (c - centre)
        hessian = (features * (p * (1 - p))[:, None]).T @ features / len(x) + pull * np.eye(len(c))
        return float(value), gradient, hessian

    return newton(loss, centre, name)


class LogitMap(ABC):
    """A map of logits `z [N, K]` that is linear in its parameters `[P]`, and the quadratic penalty `1/2 d A d`, d = x - start."""

    start: Floats
    """Parameters `[P]` of the map that changes nothing, from which the penalty counts."""

    @abstractmethod
    def mapped(self, x: Floats, z: Floats) -> Floats:
        """The mapped logits `[N, K]`."""

    @abstractmethod
    def gathered(self, by_logit: Floats, z: Floats) -> Floats:
        """Derivatives by mapped logit `[N, K]`, summed to derivatives by parameter `[P]`."""

    @abstractmethod
    def penalised(self, d: Floats) -> Floats:
        """`A d`."""

    @abstractmethod
    def penalty_diagonal(self) -> Floats:
        """The diagonal of A, > 0."""

    def rough_inverse(self, p: Floats, z: Floats) -> Linear:
        """Of the Hessian where the mapped probabilities are p: by its diagonal."""
        diagonal = self.gathered(p * (1 - p), z * z) / len(z) + self.penalty_diagonal()
        return lambda v: v / diagonal

    def nll(self, x: Floats, z: Floats, labels: Ints) -> float:
        """Mean NLL of the mapped logits, in nats."""
        return float(-_log_softmax(self.mapped(x, z))[np.arange(len(z)), labels].mean())

    def fit(self, z: Floats, labels: Ints, name: str, flat: float = FLAT, start: Floats | None = None) -> Floats:
        """The parameters of least mean NLL + penalty."""
        rows = np.arange(len(z))

        def loss(x: Floats) -> tuple[float, Floats, Linear, Callable[[], Linear]]:
            log_p = _log_softmax(self.mapped(x, z))
            p = np.exp(log_p)
            bent = self.penalised(x - self.start)
            value = float(-log_p[rows, labels].mean() + (x - self.start) @ bent / 2)
            residual = p.copy()
            residual[rows, labels] -= 1

            def times_hessian(v: Floats) -> Floats:
                u = p * self.mapped(v, z)
                u -= p * u.sum(axis=1, keepdims=True)
                return self.gathered(u, z) / len(z) + self.penalised(v)

            gradient = self.gathered(residual, z) / len(z) + bent
            return value, gradient, times_hessian, lambda: self.rough_inverse(p, z)

        return newton_cg(loss, self.start if start is None else start, name, flat)


def _log_softmax(x: Floats) -> Floats:
    x = x - x.max(axis=1, keepdims=True)
    log_p: Floats = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    return log_p


def folds(labels: Ints) -> Ints:
    """The fold 0 .. 2 of each sample: samples sorted by class take turns, in the order they come, so nothing is drawn."""
    fold = np.empty(len(labels), dtype=np.int64)
    fold[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % FOLDS
    return fold


def cross_validated(
    make: Callable[[float], LogitMap], weights: Sequence[float], z: Floats, labels: Ints, name: str
) -> float:
    """The weight of least NLL on held-out folds, from the heaviest on.

    The search ends at two in a row that are worse than the best so far, or at one that is worse by a percent.
    """
    fold = folds(labels)
    at: list[Floats | None] = [None] * FOLDS
    best, least, worse = weights[0], np.inf, 0
    for weight in weights:
        total = 0.0
        for f in range(FOLDS):
            held = fold == f
            if held.all() or not held.any():
                continue
            found = at[f] = make(weight).fit(z[~held], labels[~held], name, LOOSE, at[f])
            total += make(weight).nll(found, z[held], labels[held]) * int(held.sum())
        worse = 0 if total < least else worse + 1
        if total < least:
            best, least = weight, total
        if worse == 2 or total > CLEARLY * least:
            break
    return best
