"""`ets`: ensemble temperature scaling (Zhang, Kailkhura and Han, ICML 2020)."""

from __future__ import annotations

from typing import Any

from calibench import Calibrator, MethodSpec, Outputs, Param, RunError
from calibench.lazy import np, torch
from calibench.stages import Scores
from calibench_methods.calibrators.convex import Loss, newton
from calibench_methods.calibrators.multiclass import Floats, probability_outputs, with_nll

LEAST_SCALED = 1e-6
"""Least weight of the scaled part, which ranks the classes: with all weight on 1/K every row would be a tie."""

SUPPORTS = ([0, 1, 2], [0, 1], [0, 2], [1, 2], [0], [1], [2])
"""Every choice of parts that can have a positive weight."""

BOUND = 50.0
"""T lies in [1/50, 50], as that of `temperature`."""

GRID = 17
"""Temperatures at which the squared error is first evaluated, 0.49 apart in log T; neighbours of the least bracket the search."""

SPEC = MethodSpec(
    name="ets",
    kind="calibrator",
    target=f"{__name__}:ETS",
    summary="Ensemble temperature scaling: mixes scaled, original and uniform probabilities; accuracy cannot change.",
    params=(
        Param(
            "loss",
            "str",
            "mse",
            "criterion of T and of the weights: mse is the squared error (the authors' default), ce the NLL",
            choices=("mse", "ce"),
        ),
    ),
    equation=(
        "p = w1 softmax(z / T) + w2 softmax(z) + w3 / K, T then w = argmin of the squared error (or NLL) on cal, w >= 0, sum 1"
    ),
    paper="J. Zhang, B. Kailkhura, T. Han, Mix-n-Match, ICML 2020 (arXiv 2003.07329); code: zhang64-llnl/Mix-n-Match-Calibration",
    deviations=(
        "the authors' code searches T in [0.05, 5] by L-BFGS-B from 1, and w by SLSQP; here T in [1/50, 50] by a grid and a "
        "bracketed search, and w exactly, by trying every choice of positive weights",
        "a millionth of the weight stays on the scaled part, so that classes keep their order if w3 would be 1",
        "refused on samples that temperature refuses, such as those with only right predictions",
    ),
    use_when="temperature scaling leaves confident errors: the uniform part bounds what one of them costs",
    avoid_when="one number must do, or answers may change",
    cost="some 40 passes over the logits of cal",
)


class ETS(Calibrator):
    """`w1 softmax(z / T) + w2 softmax(z) + w3 / K`, w >= 0 summing to 1; T and then w minimise the squared error or the NLL."""

    def __init__(self, loss: str) -> None:
        self.loss = loss

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`temperature`, `weights` (of the scaled, original and uniform part), and the NLL before and after, in nats."""
        from calibench.kernels import fit_temperature

        temperature = fit_temperature(outputs.logits(), labels).temperature  # also refuses samples without information
        if self.loss == "mse":
            temperature = least_squares_temperature(outputs.logits().cpu(), labels.cpu())
            weights = least_squares_weights(parts(outputs, temperature), labels.cpu())
        else:
            label_probs = parts(outputs, temperature).gather(2, labels.cpu().expand(3, -1)[..., None])[..., 0].numpy()
            weights = simplex_weights(label_probs.T)
        return with_nll(self, outputs, labels, {"temperature": temperature, "weights": kept_order(weights).tolist()})

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """The mixture; the order of the classes in a row does not change."""
        weights = torch.tensor(fitted["weights"], dtype=torch.float64)
        mixed = (weights[:, None, None] * parts(outputs, fitted["temperature"])).sum(dim=0)
        return probability_outputs((mixed / mixed.sum(dim=1, keepdim=True)).numpy(), outputs)

    def formula(self, scores: Scores, fitted: dict[str, Any]) -> Scores:
        """The same by the operations of the scores."""
        ops, logits, (scaled, original, uniform) = scores.ops, scores.logits(), fitted["weights"]
        parts = ops.softmax(logits / fitted["temperature"]) * scaled + ops.softmax(logits) * original
        return scores.as_probs(scores.normalised(parts + uniform / scores.classes))

    def snippet(self, fitted: dict[str, Any]) -> list[str]:
        """The mixture, and its logarithm."""
        scaled, original, uniform = fitted["weights"]
        return [
            "e = np.exp(z - z.max(axis=1, keepdims=True))",
            f"t = np.exp((z - z.max(axis=1, keepdims=True)) / {fitted['temperature']!r})",
            f"p = {original!r} * e / e.sum(axis=1, keepdims=True) + {scaled!r} * t / t.sum(axis=1, keepdims=True)",
            f"z = np.log(p + {uniform!r} / z.shape[1])",
        ]


def parts(outputs: Outputs, temperature: float) -> torch.Tensor:
    """The three parts of the mixture, `[3, N, K]`."""
    logits = outputs.logits().cpu()
    original = logits.softmax(dim=1)
    uniform = torch.full_like(original, 1 / original.shape[1])
    return torch.stack([(logits / temperature).softmax(dim=1), original, uniform])


def kept_order(weights: Floats) -> Floats:
    """The weights with at least LEAST_SCALED on the scaled part, and a sum of 1."""
    kept: Floats = weights / weights.sum() * (1 - LEAST_SCALED) + np.array([LEAST_SCALED, 0, 0])
    return kept


def least_squares_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """T in [1/50, 50] that minimises the mean squared error of softmax(logits / T) against one-hot labels.

    The squared error may have several minima along log T: the least point of a grid is refined between its neighbours.
    """
    from scipy.optimize import minimize_scalar

    one_hot = torch.nn.functional.one_hot(labels.long(), logits.shape[1]).double()

    def error(log_temperature: float) -> float:
        return float(((logits / np.exp(log_temperature)).softmax(dim=1) - one_hot).square().mean())

    grid = np.linspace(-np.log(BOUND), np.log(BOUND), GRID)
    place = int(np.argmin([error(u) for u in grid]))
    bracket = grid[max(place - 1, 0)], grid[min(place + 1, GRID - 1)]
    best = minimize_scalar(error, bounds=bracket, method="bounded", options={"xatol": 1e-9})
    return float(np.exp(best.x))


def least_squares_weights(mixed: torch.Tensor, labels: torch.Tensor) -> Floats:
    """Weights `[3]` on the simplex that minimise the mean squared error of the mixture of the parts `[3, N, K]`.

    The error is a quadratic form of w. On each support the minimum with sum 1 is one linear system; the solution is the best of
    those whose weights are all positive.
    """
    one_hot = torch.nn.functional.one_hot(labels.long(), mixed.shape[2]).double()
    # The sum of w is 1, so that the error is |sum of w_i (part_i - one-hot)|^2 = w' Q w.
    gaps = (mixed - one_hot).flatten(1)
    quadratic = (gaps @ gaps.T / gaps.shape[1]).numpy()
    best, least_error = np.array([1.0, 0.0, 0.0]), np.inf
    for support in SUPPORTS:
        part = quadratic[np.ix_(support, support)]
        direction = np.linalg.lstsq(part, np.ones(len(support)), rcond=1e-14)[0]
        weights = np.zeros(3)
        weights[support] = direction / direction.sum()
        error = float(weights @ quadratic @ weights)
        if (weights >= 0).all() and error < least_error - 1e-15:
            best, least_error = weights, error
    return best


def simplex_weights(label_probs: Floats) -> Floats:
    """Weights `[3]` on the simplex that minimise `-mean(ln(P w))`, where `P [N, 3]` is each part's probability of the label.

    `-mean(ln(P w)) + sum(w)` over w >= 0 has the same minimum. So each support is a problem without constraints, and the
    solution is the best of those whose weights are all positive.
    """
    label_probs = np.maximum(label_probs, 1e-300)
    best, least_loss = np.array([1.0, 0.0, 0.0]), np.inf
    for support in SUPPORTS:
        loss = mixture_loss(label_probs[:, support])
        try:
            weights = newton(loss, np.full(len(support), 1 / len(support)), "ets")
        except RunError:  # equal parts, or a minimum far outside: then a smaller support has the solution
            continue
        value = loss(weights)[0]
        if (weights >= 0).all() and value < least_loss - 1e-15:
            best, least_loss = np.zeros(3), value
            best[support] = weights
    simplex: Floats = best / best.sum()
    return simplex


def mixture_loss(label_probs: Floats) -> Loss:
    """`sum(w) - mean(ln(P w))` of weights w, with gradient and Hessian; infinite where `P w` is not positive."""

    def loss(w: Floats) -> tuple[float, Floats, Floats]:
        total = label_probs @ w
        if not (total > 0).all():
            return np.inf, np.full(len(w), np.inf), np.eye(len(w))
        ratio = label_probs / total[:, None]
        return float(w.sum() - np.log(total).mean()), 1 - ratio.mean(axis=0), ratio.T @ ratio / len(ratio)

    return loss
