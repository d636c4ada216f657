"""`dirichlet`: Dirichlet calibration with off-diagonal and intercept regularisation (Kull et al., NeurIPS 2019)."""

from __future__ import annotations

from calibench import MethodSpec, Outputs
from calibench.lazy import torch
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

    def features(self, outputs: Outputs) -> torch.Tensor:
        """`ln p`, which does not change if a constant is added to a row of logits."""
        return outputs.logits().log_softmax(dim=1)
