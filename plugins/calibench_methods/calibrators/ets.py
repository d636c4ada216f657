"""`ets`: ensemble temperature scaling (Zhang, Kailkhura and Han, ICML 2020)."""

from __future__ import annotations

from typing import Any

from calibench import Calibrator, MethodSpec, Outputs, RunError
from calibench.lazy import np, torch
from calibench_methods.calibrators.convex import newton
from calibench_methods.calibrators.multiclass import Floats, probabilities, with_nll

LEAST_ORDERED = 1e-6
"""The weight that at least stays on the two parts that rank classes: with all of it on 1/K every row would be a tie."""


SPEC = MethodSpec(
    name="ets",
    kind="calibrator",
    target=f"{__name__}:ETS",
    summary="Ensemble temperature scaling: scaled, given and uniform probabilities mixed; accuracy cannot change.",
    equation="p = w1 softmax(z / T) + w2 softmax(z) + w3 / K, T then w = argmin NLL on cal, w >= 0, sum 1",
    paper="J. Zhang, B. Kailkhura, T. Han, Mix-n-Match, ICML 2020 (arXiv 2003.07329)",
    deviations=(
        "a millionth of the weight stays on the scaled part, so that classes keep their order where w3 would be 1",
        "refused where temperature is, as on samples that are all right",
    ),
)


class ETS(Calibrator):
    """`w1 softmax(z / T) + w2 softmax(z) + w3 / K`, w >= 0 summing to 1; T first, then w, each at the least NLL."""

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`temperature`, `weights` (of the scaled, the given and the uniform part), the NLL before and after, in nats."""
        from calibench.kernels import fit_temperature

        temperature = fit_temperature(outputs.logits(), labels).temperature
        own = parts(outputs, temperature).gather(2, labels.cpu().expand(3, -1)[..., None])[..., 0].numpy()
        fitted = {"temperature": temperature, "weights": simplex_weights(own.T).tolist()}
        return with_nll(self, outputs, labels, fitted)

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """The mixture; the order of the classes in a row does not change."""
        weights = torch.tensor(fitted["weights"], dtype=torch.float64)
        mixed = (weights[:, None, None] * parts(outputs, fitted["temperature"])).sum(dim=0)
        return probabilities((mixed / mixed.sum(dim=1, keepdim=True)).numpy(), outputs)


def parts(outputs: Outputs, temperature: float) -> torch.Tensor:
    """The three parts of the mixture, `[3, N, K]`."""
    logits = outputs.logits().cpu()
    plain = logits.softmax(dim=1)
    return torch.stack([(logits / temperature).softmax(dim=1), plain, torch.full_like(plain, 1 / plain.shape[1])])


def simplex_weights(own: Floats) -> Floats:
    """Weights `[3]` on the simplex of least `-mean(ln(own w))`, for what each part gives the label, `own [N, 3]`.

    `-mean(ln(own w)) + sum(w)` over w >= 0 has the same minimum, so each support is a problem without constraints, and the
    best that stays positive is the answer.
    """
    own = np.maximum(own, 1e-300)
    best, least = np.array([1.0, 0.0, 0.0]), np.inf
    for chosen in ([0, 1, 2], [0, 1], [0, 2], [1, 2], [0], [1], [2]):
        some = own[:, chosen]

        def loss(w: Floats, some: Floats = some) -> tuple[float, Floats, Floats]:
            total = some @ w
            if not (total > 0).all():
                return np.inf, np.full(len(w), np.inf), np.eye(len(w))
            ratio = some / total[:, None]
            return float(w.sum() - np.log(total).mean()), 1 - ratio.mean(axis=0), ratio.T @ ratio / len(ratio)

        try:
            found = newton(loss, np.full(len(chosen), 1 / len(chosen)), "ets")
        except RunError:  # equal parts, or a minimum far outside: then the answer has fewer parts, down to one
            continue
        value = loss(found)[0]
        if (found >= 0).all() and value < least - 1e-15:
            best, least = np.zeros(3), value
            best[chosen] = found
    ordered: Floats = best / best.sum() * (1 - LEAST_ORDERED) + np.array([LEAST_ORDERED, 0, 0])
    return ordered
