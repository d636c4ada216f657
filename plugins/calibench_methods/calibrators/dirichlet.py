"""`dirichlet`: Dirichlet calibration with off-diagonal and intercept regularisation (Kull et al., NeurIPS 2019)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec
from calibench.stages import Scores
from calibench_methods.calibrators.matrix import Matrix
from calibench_methods.calibrators.parameters import KULL, ODIR_DEVIATIONS, ODIR_PARAMS

SPEC = MethodSpec(
    name="dirichlet",
    kind="calibrator",
    target=f"{__name__}:Dirichlet",
    summary="Dirichlet calibration with ODIR: a linear map of the log-probabilities with a penalty.",
    params=ODIR_PARAMS,
    equation=(
        "p = softmax(W ln p + b), (W, b) = argmin NLL on cal + lam mean(W_ij^2, i != j) + mu mean(b_k^2) + "
        "diagonal mean((W_kk - 1)^2)"
    ),
    use_when="only probabilities are stored, classes are confused with each other, and answers may change",
    avoid_when="cal is small for K^2 weights, or answers must stay",
    cost="a cross-validated fit of K^2 + K numbers: 16 to 40 s on 5 000 rows of 100 classes",
    paper=KULL,
    deviations=ODIR_DEVIATIONS,
)


class Dirichlet(Matrix):
    """`softmax(W ln p + b)`; W and b are penalised and fitted as in `matrix`."""

    name = "dirichlet"

    def features(self, scores: Scores) -> Any:
        """`ln p`, which does not change if a constant is added to a row of logits."""
        return scores.log_probs()

    def snippet(self, fitted: dict[str, Any]) -> list[str]:
        """The logarithm of the softmax, then the line of `matrix`."""
        lines = ["z = z - z.max(axis=1, keepdims=True)", "z = z - np.log(np.exp(z).sum(axis=1, keepdims=True))"]
        return [*lines, *super().snippet(fitted)]
