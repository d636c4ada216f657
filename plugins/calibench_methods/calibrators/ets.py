"""`ets`: ensemble temperature scaling (Zhang, Kailkhura and Han, ICML 2020)."""

from __future__ import annotations

from typing import Any

from calibench import Calibrator, MethodSpec, Outputs, RunError
from calibench.lazy import np, torch
from calibench_methods.calibrators.convex import Loss, newton
from calibench_methods.calibrators.multiclass import Floats, probability_outputs, with_nll

LEAST_SCALED = 1e-6
"""Least weight of the scaled part, which ranks the classes: with all weight on 1/K every row would be a tie."""

SUPPORTS = ([0, 1, 2], [0, 1], [0, 2], [1, 2], [0], [1], [2])
"""Every choice of parts that can have a positive weight."""

SPEC = MethodSpec(
    name="ets",
    kind="calibrator",
    target=f"{__name__}:ETS",
    summary="Ensemble temperature scaling: mixes scaled, original and uniform probabilities; accuracy cannot change.",
    equation="p = w1 softmax(z / T) + w2 softmax(z) + w3 / K, T then w = argmin NLL on cal, w >= 0, sum 1",
    use_when="temperature is not enough and answers must stay: two weights more, for the original and the uniform part",
    avoid_when="temperature is enough: the result is then close to it (WRN-16-4 and DenseNet)",
    cost="as temperature, and a fit of 3 weights",
    paper="J. Zhang, B. Kailkhura, T. Han, Mix-n-Match, ICML 2020 (arXiv 2003.07329)",
    deviations=(
        "a millionth of the weight stays on the scaled part, so that classes keep their order if w3 would be 1",
        "refused on samples that temperature refuses, such as those with only right predictions",
    ),
)


class ETS(Calibrator):
    """`w1 softmax(z / T) + w2 softmax(z) + w3 / K`, w >= 0 summing to 1; T and then w minimise the NLL."""

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`temperature`, `weights` (of the scaled, original and uniform part), and the NLL before and after, in nats."""
        from calibench.kernels import fit_temperature

        temperature = fit_temperature(outputs.logits(), labels).temperature
        label_probs = parts(outputs, temperature).gather(2, labels.cpu().expand(3, -1)[..., None])[..., 0].numpy()
        fitted = {"temperature": temperature, "weights": simplex_weights(label_probs.T).tolist()}
        return with_nll(self, outputs, labels, fitted)

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """The mixture; the order of the classes in a row does not change."""
        weights = torch.tensor(fitted["weights"], dtype=torch.float64)
        mixed = (weights[:, None, None] * parts(outputs, fitted["temperature"])).sum(dim=0)
        return probability_outputs((mixed / mixed.sum(dim=1, keepdim=True)).numpy(), outputs)


def parts(outputs: Outputs, temperature: float) -> torch.Tensor:
    """The three parts of the mixture, `[3, N, K]`."""
    logits = outputs.logits().cpu()
    original = logits.softmax(dim=1)
    uniform = torch.full_like(original, 1 / original.shape[1])
    return torch.stack([(logits / temperature).softmax(dim=1), original, uniform])


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
    simplex: Floats = best / best.sum() * (1 - LEAST_SCALED) + np.array([LEAST_SCALED, 0, 0])
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
