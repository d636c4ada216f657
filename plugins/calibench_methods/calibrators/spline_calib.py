"""`spline-calib`: a smoothing spline of the log-odds (SplineCalib, Lucena 2018)."""

from __future__ import annotations

from typing import Any, NamedTuple

from calibench import MethodSpec, Param
from calibench.lazy import np
from calibench.stages import Ops
from calibench_methods.calibrators.convex import newton
from calibench_methods.calibrators.logit_map import FOLDS, STOP_RATIO, folds
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats, Ints
from calibench_methods.calibrators.parameters import OF_DEVIATIONS, of_param
from calibench_methods.calibrators.platt import sigmoid

WEIGHTS = tuple(10.0**power for power in range(1, -7, -1))
"""Weights of the roughness that are compared, from a line to a free spline."""

LEAST_EPSILON, MOST_EPSILON = 1e-16, 1e-4
"""Probabilities below the first count as 0; those above the second are never clipped. Both are splinecalib's."""

LEAST_GAP = 0.01
"""Least distance of two knots, as a share of their span. Scores of few values, as of forests, have quantiles side by side, and the
roughness between them is larger than rounding can bear."""

PRIOR_P = tuple(i / 100 for i in range(1, 100))
"""The probabilities at which the prior holds the curve to the identity."""

SPEC = MethodSpec(
    name="spline-calib",
    kind="calibrator",
    target=f"{__name__}:SplineCalib",
    summary="A smoothing spline of the log-odds by penalised logistic regression (SplineCalib); CalArena's Spline.",
    params=(
        Param(
            "knots", "int", 15, "knots of the spline, at quantiles of cal's log-odds", "knots", minimum=3, maximum=100
        ),
        Param(
            "prior",
            "float",
            20.0,
            "weight of the samples on the diagonal q = p (the paper: 20)",
            "samples",
            minimum=1e-3,
        ),
        Param(
            "lam",
            "float",
            None,
            "weight of the roughness; not set: 3-fold cross-validation on cal selects it for each class",
            minimum=1e-8,
        ),
        of_param("classes"),
    ),
    equation=(
        "q = sigmoid(h(f)), f = ln p - ln(1 - p), h = argmin over natural cubic splines of log loss on cal and on `prior` "
        "samples (p, target p) + lam / 2 times the integral of h''^2"
    ),
    paper="B. Lucena, Spline-Based Probability Calibration, 2018 (arXiv 1809.07751); CalArena, arXiv 2605.30188",
    deviations=(
        "the penalty is the integral of h''^2 of standardised f; the author's package splinecalib puts a ridge on all coefficients "
        "of a truncated power basis, the intercept and the slope too",
        "knots lie at quantiles; splinecalib draws 30 at random, without a seed",
        "log-odds are clipped at those of half the least positive probability of cal, between 1e-16 and 1e-4; splinecalib rounds "
        "it to a power of two",
        "lam is chosen on three folds and the fit uses all samples; splinecalib judges one fold of five and fits on the other four",
        *OF_DEVIATIONS,
    ),
    use_when="two classes, or some dozen hits a class: first and second by Brier in docs/evidence/calibrators.md",
    avoid_when="the answers must not change (`of=top` keeps them), or a formula with few numbers is wanted: `beta` then",
    cost="some twenty small Newton fits for each class: seconds for 100 classes and 5 000 rows",
)


class Smooth(NamedTuple):
    """Splines in coordinates in which cal's mean square and the roughness are diagonal (Demmler and Reinsch 1975).

    `matrix [N, B]` holds the splines at the samples, `roughness [B]` their integrals of h''^2, `values [B knots, B]` the splines
    at the knots.
    """

    matrix: Floats
    roughness: Floats
    values: Floats


class SplineCalib(BinaryMap):
    """`sigmoid(h_k(f_k))` with a natural cubic spline h_k, smooth by a penalty and near the identity by a prior."""

    def __init__(self, knots: int, prior: float, lam: float | None, of: str) -> None:
        super().__init__(of)
        self.knots = knots
        self.prior = prior
        self.lam = lam

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`knots` and `values` of the spline, in log-odds, its `lam`, and the `limit` at which log-odds are clipped."""
        limit = _limit(column)
        log_odds = np.clip(column.log_p - column.log_q, -limit, limit)
        mean, sd = float(log_odds.mean()), float(log_odds.std())
        sd = sd if sd > 1e-12 * np.abs(log_odds).max() else 1.0
        knots = _apart(np.unique(np.quantile(log_odds, np.linspace(0, 1, self.knots))))
        if len(knots) < 2:
            knots = mean + sd * np.array([-1.0, 1.0])
        prior_p = np.array(PRIOR_P)
        samples = np.concatenate([log_odds, np.log(prior_p) - np.log1p(-prior_p)])
        target = np.concatenate([hit, prior_p])
        weight = np.concatenate([np.ones(len(hit)), np.full(len(prior_p), self.prior / len(prior_p))])
        smooth = _smooth((samples - mean) / sd, (knots - mean) / sd, weight)
        lam = self.lam
        if lam is None:
            fold = np.concatenate([folds(hit.astype(np.int64)), np.full(len(prior_p), -1)])  # the prior is in every fit
            lam = _cross_validated(smooth, target, weight, fold)
        values = smooth.values @ _fit(smooth, target, weight, lam, np.zeros(len(knots)))
        learned = {"knots": knots.tolist(), "values": values.tolist(), "lam": lam}
        return learned | {"limit": limit, "mean": mean, "sd": sd}

    def apply_one(self, column: Column, fitted: dict[str, Any]) -> Floats:
        """The sigmoid of the spline."""
        mean, sd = fitted["mean"], fitted["sd"]
        x = (np.clip(column.log_p - column.log_q, -fitted["limit"], fitted["limit"]) - mean) / sd
        matrix = natural_basis(x, (np.asarray(fitted["knots"]) - mean) / sd)
        return sigmoid(matrix @ np.asarray(fitted["values"]))

    def curve(self, ops: Ops, column: Column, fitted: dict[str, Any]) -> Any:
        """The same, by the coefficients of the cubic between two knots."""
        mean, sd = fitted["mean"], fitted["sd"]
        knots = (np.asarray(fitted["knots"]) - mean) / sd

        def cubics(power: int) -> Any:
            values = ops.constant(lambda: natural_cubics(knots, np.asarray(fitted["values"]))[3 - power])
            return ops.step(inside, ops.constant(knots[1:-1]), values)

        log_odds = ops.least(ops.greatest(column.log_p - column.log_q, -fitted["limit"]), fitted["limit"])
        x = (log_odds - mean) / sd
        inside = ops.least(ops.greatest(x, float(knots[0])), float(knots[-1]))
        left = inside - ops.step(inside, ops.constant(knots[1:-1]), ops.constant(knots[:-1]))
        c0, c1, c2, c3 = (cubics(power) for power in range(4))
        value = ((left * c3 + c2) * left + c1) * left + c0
        slope = (left * (c3 * 3) + c2 * 2) * left + c1
        return ops.sigmoid(value + slope * (x - inside))


def _limit(column: Column) -> float:
    """The log-odds of half the least positive probability of a hit or a miss on cal, or of 5e-5 if that is less.

    Probabilities of 0 and 1, as forests give, would otherwise stand so far from all others that no spline fits both.
    """
    p = np.exp(np.concatenate([column.log_p, column.log_q]))
    least = min(MOST_EPSILON, float(p[p > LEAST_EPSILON].min(initial=MOST_EPSILON))) / 2
    return float(np.log1p(-least) - np.log(least))


def _apart(knots: Floats) -> Floats:
    """The knots, ascending, without those within `LEAST_GAP` of the span after another; the outer two stay if they differ."""
    gap = max(LEAST_GAP * (knots[-1] - knots[0]), 1e-9)
    kept = [knots[0]]
    for knot in knots[1:-1]:
        if knot - kept[-1] >= gap and knots[-1] - knot >= gap:
            kept.append(knot)
    if knots[-1] - kept[0] >= gap:
        kept.append(knots[-1])
    return np.array(kept)


def natural_basis(x: Floats, knots: Floats) -> Floats:
    """The natural cubic splines that are 1 at one knot and 0 at the others, at `x [N]`, `[N, B]`; lines beyond the outer knots."""
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(knots, np.eye(len(knots)), bc_type="natural")
    inside = np.clip(x, knots[0], knots[-1])
    matrix: Floats = spline(inside) + spline(inside, 1) * (x - inside)[:, None]
    return matrix


def natural_cubics(knots: Floats, values: Floats) -> Floats:
    """The coefficients `[4, B - 1]` of the natural cubic spline through the values, highest power first, from each left knot."""
    from scipy.interpolate import CubicSpline

    coefficients: Floats = CubicSpline(knots, values, bc_type="natural").c
    return coefficients


def roughness(knots: Floats) -> Floats:
    """The integrals of `h_i'' h_j''` of the splines of `natural_basis`, `[B, B]`."""
    from scipy.interpolate import CubicSpline

    second = CubicSpline(knots, np.eye(len(knots)), bc_type="natural")(knots, 2)  # linear between knots
    a, b, width = second[:-1], second[1:], np.diff(knots)[:, None]
    integrals: Floats = ((a * width).T @ a + (b * width).T @ b + ((a * width).T @ b + (b * width).T @ a) / 2) / 3
    return integrals


def _smooth(x: Floats, knots: Floats, weight: Floats) -> Smooth:
    """The splines with these knots at `x [N]`. On `natural_basis` itself the search takes a hundred times as long."""
    from scipy.linalg import eigh

    matrix = natural_basis(x, knots)
    square = (matrix * weight[:, None]).T @ matrix / weight.sum()
    square += 1e-12 * np.trace(square) * np.eye(len(knots))
    rough, values = eigh(roughness(knots), square)
    rough[:2] = 0  # lines
    return Smooth(matrix @ values, np.maximum(rough, 0), values)


def _fit(smooth: Smooth, target: Floats, weight: Floats, lam: float, start: Floats) -> Floats:
    """The coordinates `[B]` that minimise the weighted mean log loss + lam / 2 times the roughness."""
    matrix, total = smooth.matrix, weight.sum()

    def loss(c: Floats) -> tuple[float, Floats, Floats]:
        x = matrix @ c
        p = sigmoid(x)
        rough = lam * smooth.roughness * c
        value = weight @ (np.logaddexp(0, x) - target * x) / total + c @ rough / 2
        gradient = matrix.T @ (weight * (p - target)) / total + rough
        hessian = (matrix * (weight * p * (1 - p))[:, None]).T @ matrix / total + np.diag(lam * smooth.roughness)
        return float(value), gradient, hessian

    return newton(loss, start, "spline-calib")


def _cross_validated(smooth: Smooth, target: Floats, weight: Floats, fold: Ints) -> float:
    """The weight of the roughness with the least log loss on held-out folds; the comparison stops two weights after the best."""
    starts = [np.zeros(len(smooth.roughness))] * FOLDS
    best, least, worse_in_a_row = WEIGHTS[0], np.inf, 0
    for lam in WEIGHTS:
        total = 0.0
        for number in range(FOLDS):
            held_out = fold == number
            kept = smooth._replace(matrix=smooth.matrix[~held_out])
            starts[number] = _fit(kept, target[~held_out], weight[~held_out], lam, starts[number])
            x = smooth.matrix[held_out] @ starts[number]
            total += float((np.logaddexp(0, x) - target[held_out] * x).sum())
        worse_in_a_row = 0 if total < least else worse_in_a_row + 1
        if total < least:
            best, least = lam, total
        if worse_in_a_row == 2 or total > STOP_RATIO * least:
            break
    return best
