"""Newton's method for smooth, strictly convex losses in float64, and logistic regression by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from calibench import RunError
from calibench.lazy import np
from calibench_methods.calibrators.multiclass import Floats

Loss = Callable[[Floats], tuple[float, Floats, Floats]]
"""Maps parameters `[P]` to the value, the gradient `[P]` and the Hessian `[P, P]`."""

Linear = Callable[[Floats], Floats]
"""A linear map of a vector `[P]`."""

LargeLoss = Callable[[Floats], tuple[float, Floats, Linear, Callable[[], Linear]]]
"""Maps parameters `[P]` to the value, the gradient, the product with the Hessian, and a function that builds a preconditioner."""

Evaluation = TypeVar("Evaluation", bound=tuple[Any, ...])

MAX_PRODUCTS = 10
"""After a step that took more Hessian products, the preconditioner is built again."""

TOLERANCE = 1e-9
"""A fit has converged when no entry of the gradient is larger; the loss is a mean over samples in nats."""

SHORTEST_STEP = 1e-12


def newton(loss: Loss, start: Floats, name: str, steps: int = 200) -> Floats:
    """The parameters at the minimum, by Newton's method with step halving; RunError if it does not converge."""
    x = start
    value, gradient, hessian = loss(x)
    for _ in range(steps):
        if np.abs(gradient).max() <= TOLERANCE:
            return x
        # A mean of squared curvatures can vanish in some direction to rounding; the step of least norm is then right.
        step = np.asarray(np.linalg.lstsq(hessian, -gradient, rcond=1e-15)[0], dtype=np.float64)
        accepted = _halved_step(loss, x, value, gradient, step)
        if accepted is None:
            break
        x, (value, gradient, hessian) = accepted
    return _converged(x, gradient, name)


def newton_cg(loss: LargeLoss, start: Floats, name: str, tolerance: float = TOLERANCE, steps: int = 300) -> Floats:
    """`newton` for many parameters: each step is solved by preconditioned conjugate gradients."""
    x, products, preconditioner = start, 0, None
    value, gradient, times_hessian, build_preconditioner = loss(x)
    for _ in range(steps):
        size = np.abs(gradient).max()
        if size <= tolerance:
            return x
        if preconditioner is None or products > MAX_PRODUCTS:
            preconditioner = build_preconditioner()
        accuracy = min(0.1, float(np.sqrt(size)))
        step, products = _conjugate_gradients(times_hessian, -gradient, preconditioner, accuracy)
        accepted = _halved_step(loss, x, value, gradient, step)
        if accepted is None:
            break
        x, (value, gradient, times_hessian, build_preconditioner) = accepted
    return _converged(x, gradient, name)


def _halved_step(
    loss: Callable[[Floats], Evaluation], x: Floats, value: float, gradient: Floats, step: Floats
) -> tuple[Floats, Evaluation] | None:
    """The first point among `x + step`, `x + step / 2`, ... that lowers the loss enough, and the loss there; None if none does."""
    slope, size, length = float(gradient @ step), np.abs(gradient).max(), 1.0
    while length >= SHORTEST_STEP:
        point = x + length * step
        evaluation = loss(point)
        # Near the minimum, values differ by rounding only; a smaller gradient is then the sign of progress.
        flatter = evaluation[0] <= value + 1e-14 * (1 + abs(value)) and np.abs(evaluation[1]).max() < size
        if evaluation[0] <= value + 1e-4 * length * slope or flatter:
            return point, evaluation
        length /= 2
    return None


def _conjugate_gradients(
    times_hessian: Linear, target: Floats, preconditioner: Linear, accuracy: float
) -> tuple[Floats, int]:
    """An approximate solution x of `H x = target`, and the number of Hessian products it took.

    The norm of the preconditioner measures the residual, which is at most `accuracy` times the target.
    """
    x, residual = np.zeros_like(target), target.copy()
    scaled = preconditioner(residual)
    direction, product = scaled.copy(), float(residual @ scaled)
    goal = accuracy**2 * product
    for count in range(200):
        if product <= goal:
            return x, count
        curvature = times_hessian(direction)
        length = product / float(direction @ curvature)
        x += length * direction
        residual -= length * curvature
        scaled = preconditioner(residual)
        product, previous = float(residual @ scaled), product
        direction = scaled + product / previous * direction
    return x, 200


def _converged(x: Floats, gradient: Floats, name: str) -> Floats:
    """`x`; RunError if the gradient is above 1000 times the tolerance. Below, rounding has stopped the search a little short."""
    if not np.abs(gradient).max() <= 1e3 * TOLERANCE:
        message = f"{name}: the fit did not converge: its gradient is still {np.abs(gradient).max():.1e}"
        hint = "logits of thousands and more cannot be fitted: check that they are logits, or divide them by one number"
        raise RunError(message, hint)
    return x


def logistic(features: Floats, target: Floats, pull: float, centre: Floats, name: str) -> Floats:
    """Coefficients `[D]` of a logistic regression on features `[N, D]` of unit scale, with targets `[N]` in [0, 1].

    Minimises mean(ln(1 + exp(X c)) - t X c) + pull/2 |c - centre|^2, in nats.
    """

    def loss(c: Floats) -> tuple[float, Floats, Floats]:
        x = features @ c
        p = np.exp(-np.logaddexp(0, -x))
        value = np.mean(np.logaddexp(0, x) - target * x) + pull / 2 * np.square(c - centre).sum()
        gradient = features.T @ (p - target) / len(x) + pull * (c - centre)
        hessian = (features * (p * (1 - p))[:, None]).T @ features / len(x) + pull * np.eye(len(c))
        return float(value), gradient, hessian

    return newton(loss, centre, name)
