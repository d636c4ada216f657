"""`matrix`: matrix scaling (Guo et al., ICML 2017) with off-diagonal and intercept regularisation (Kull et al., NeurIPS 2019)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Outputs
from calibench.lazy import np, torch
from calibench.stages import FormulaCalibrator, Scores
from calibench.stages.formula_calibrator import torch_scores
from calibench_methods.calibrators.convex import Linear
from calibench_methods.calibrators.logit_map import LogitMap, cross_validated
from calibench_methods.calibrators.multiclass import Floats, with_nll
from calibench_methods.calibrators.parameters import GUO, KULL, ODIR_DEVIATIONS, ODIR_PARAMS

WEIGHTS = tuple(10.0**power for power in range(5, -5, -1))
"""Values of lam that are compared if it is not set."""

LEAST_CURVATURE = 1e-3
"""A sample whose p (1 - p) is below this share of the largest is left out of the preconditioner's block."""

SPEC = MethodSpec(
    name="matrix",
    kind="calibrator",
    target=f"{__name__}:Matrix",
    summary="Matrix scaling with ODIR: a linear map of the logits with a penalty on off-diagonal entries and intercept.",
    params=ODIR_PARAMS,
    equation=(
        "p = softmax(W z + b), (W, b) = argmin NLL on cal + lam mean(W_ij^2, i != j) + mu mean(b_k^2) + "
        "diagonal mean((W_kk - 1)^2)"
    ),
    use_when="logits are stored, classes are confused with each other, and answers may change (WRN-16-4: NLL 0.94 to 0.91)",
    avoid_when="cal is small for K^2 weights, or answers must stay",
    cost="a cross-validated fit of K^2 + K numbers, as dirichlet",
    paper=f"{GUO}; the penalty: {KULL}",
    deviations=(*ODIR_DEVIATIONS, "for probabilities the logits are ln p, so the map equals that of dirichlet"),
)


class Matrix(FormulaCalibrator):
    """`softmax(W z + b)`, minimising NLL + lam mean(W_ij^2, i != j) + mu mean(b_k^2) + diagonal mean((W_kk - 1)^2)."""

    name = "matrix"

    def __init__(self, lam: float | None, mu: float | None, diagonal: float) -> None:
        self.lam = lam
        self.mu = mu
        self.diagonal = diagonal

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`weight` `[K, K]`, `bias` `[K]`, the `lam` and `mu` used, the NLL of the same samples before and after, in nats."""
        from threadpoolctl import threadpool_limits

        z, truth, K = self.features(torch_scores(outputs)).cpu().numpy(), labels.cpu().numpy(), outputs.num_classes

        def mu(lam: float) -> float:
            return lam / (K - 1) if self.mu is None else self.mu

        def affine(lam: float) -> Affine:
            return Affine(K, lam, mu(lam), self.diagonal)

        lam = self.lam
        # The products are small: threads cost more time than they save, and they change the last digits.
        with threadpool_limits(1):
            if lam is None:
                lam = cross_validated(affine, WEIGHTS, z, truth, self.name)
            x = affine(lam).fit(z, truth, self.name)
        fitted = {"weight": x[:-K].reshape(K, K).tolist(), "bias": x[-K:].tolist()}
        return with_nll(self, outputs, labels, {"lam": lam, "mu": mu(lam), **fitted})

    def formula(self, scores: Scores, fitted: dict[str, Any]) -> Scores:
        """Logits `W z + b`."""
        ops = scores.ops
        return scores.as_logits(
            ops.linear(self.features(scores), ops.constant(fitted["weight"]), ops.constant(fitted["bias"]))
        )

    def snippet(self, fitted: dict[str, Any]) -> list[str]:
        """One line."""
        return [f"z = z @ np.array({fitted['weight']!r}).T + np.array({fitted['bias']!r})"]

    def features(self, scores: Scores) -> Any:
        """The inputs of the linear map `[N, K]`: the logits."""
        return scores.logits()


class Affine(LogitMap):
    """`W z + b`, with parameters `[W by rows, b]`; the penalty's matrix A is diagonal."""

    def __init__(self, K: int, lam: float, mu: float, diagonal: float) -> None:
        self.K = K
        self.start = np.concatenate([np.eye(K).ravel(), np.zeros(K)])
        of_weights = np.full((K, K), 2 * lam / (K * (K - 1)))
        np.fill_diagonal(of_weights, 2 * diagonal / K)
        self.penalties = np.concatenate([of_weights.ravel(), np.full(K, 2 * mu / K)])

    def mapped(self, x: Floats, z: Floats) -> Floats:
        """`W z + b`."""
        return z @ x[: -self.K].reshape(self.K, self.K).T + x[-self.K :]

    def adjoint(self, by_logit: Floats, z: Floats) -> Floats:
        """Derivatives by W and b, summed over samples."""
        return np.concatenate([(by_logit.T @ z).ravel(), by_logit.sum(axis=0)])

    def penalty_product(self, d: Floats) -> Floats:
        """`A d`."""
        return self.penalties * d

    def penalty_diagonal(self) -> Floats:
        """The diagonal of A."""
        return self.penalties

    def preconditioner(self, p: Floats, z: Floats) -> Linear:
        """The inverse of the Hessian's K diagonal blocks, one for each row of W and its bias.

        Samples of little curvature are left out of a block.
        """
        K = self.K
        if len(z) <= K:  # then a product costs far less than the inverses of K blocks
            return super().preconditioner(p, z)
        penalties = self._by_row(self.penalties)
        design = np.concatenate([z, np.ones((len(z), 1))], axis=1)
        blocks = np.empty((K, K + 1, K + 1))
        for k in range(K):
            curvature = p[:, k] * (1 - p[:, k])
            rows = curvature > LEAST_CURVATURE * curvature.max()
            blocks[k] = (design[rows] * curvature[rows, None]).T @ design[rows] / len(z) + np.diag(penalties[k])
        inverse = np.linalg.inv(blocks)

        def times(v: Floats) -> Floats:
            product = inverse @ self._by_row(v)[..., None]
            return np.concatenate([product[:, :K, 0].ravel(), product[:, K, 0]])

        return times

    def _by_row(self, x: Floats) -> Floats:
        """The parameters as `[K, K + 1]`: each row of W, then its bias."""
        return np.concatenate([x[: -self.K].reshape(self.K, self.K), x[-self.K :, None]], axis=1)
