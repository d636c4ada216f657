"""`matrix`: matrix scaling (Guo et al., ICML 2017) with off-diagonal and intercept regularisation (Kull et al., NeurIPS 2019)."""

from __future__ import annotations

from typing import Any

from calibench import Calibrator, MethodSpec, Outputs
from calibench.lazy import np, torch
from calibench_methods.calibrators.convex import Linear, LogitMap, cross_validated
from calibench_methods.calibrators.multiclass import Floats, with_nll
from calibench_methods.calibrators.parameters import GUO, KULL, ODIR_NOTES, ODIR_PARAMS

TRIED = tuple(10.0**power for power in range(5, -5, -1))
"""Values of lam that are compared where none is given."""

HARDLY = 1e-3
"""Of the largest p (1 - p)."""


SPEC = MethodSpec(
    name="matrix",
    kind="calibrator",
    target=f"{__name__}:Matrix",
    summary="Matrix scaling with ODIR: a linear map of the logits, its off-diagonal and intercept penalised.",
    params=ODIR_PARAMS,
    equation=(
        "p = softmax(W z + b), (W, b) = argmin NLL on cal + lam mean(W_ij^2, i != j) + mu mean(b_k^2) + "
        "diagonal mean((W_kk - 1)^2)"
    ),
    paper=f"{GUO}; the penalty: {KULL}",
    deviations=(*ODIR_NOTES, "from probabilities the logits are ln p, and the map is that of dirichlet"),
)


class Matrix(Calibrator):
    """`softmax(W z + b)` at the least NLL + lam mean(W_ij^2, i != j) + mu mean(b_k^2) + diagonal mean((W_kk - 1)^2)."""

    name = "matrix"

    def __init__(self, lam: float | None, mu: float | None, diagonal: float) -> None:
        self.lam = lam
        self.mu = mu
        self.diagonal = diagonal

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`weight` `[K, K]`, `bias` `[K]`, `lam` and `mu` as used, the NLL of the same samples before and after, in nats."""
        from threadpoolctl import threadpool_limits

        z, truth, K = self.features(outputs).cpu().numpy(), labels.cpu().numpy(), outputs.num_classes

        def mu(lam: float) -> float:
            return lam / (K - 1) if self.mu is None else self.mu

        def odir(lam: float) -> Affine:
            return Affine(K, lam, mu(lam), self.diagonal)

        lam = self.lam
        with threadpool_limits(1):  # many small products: threads cost more than they gain, and the last digits
            if lam is None:
                lam = cross_validated(odir, TRIED, z, truth, self.name)
            found = odir(lam).fit(z, truth, self.name)
        fitted = {"weight": found[:-K].reshape(K, K).tolist(), "bias": found[-K:].tolist()}
        return with_nll(self, outputs, labels, {"lam": lam, "mu": mu(lam), **fitted})

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """Logits `W z + b`."""
        z = self.features(outputs)
        return Outputs(z @ z.new_tensor(fitted["weight"]).T + z.new_tensor(fitted["bias"]))

    def features(self, outputs: Outputs) -> torch.Tensor:
        """What W multiplies: the logits as they are."""
        return outputs.logits()


class Affine(LogitMap):
    """`W z + b`, parameters `[W by rows, b]`."""

    def __init__(self, K: int, lam: float, mu: float, diagonal: float) -> None:
        self.K = K
        self.start = np.concatenate([np.eye(K).ravel(), np.zeros(K)])
        self.weights = np.full((K, K), 2 * lam / (K * (K - 1)))
        np.fill_diagonal(self.weights, 2 * diagonal / K)
        self.weights = np.concatenate([self.weights.ravel(), np.full(K, 2 * mu / K)])

    def mapped(self, x: Floats, z: Floats) -> Floats:
        """`W z + b`."""
        return z @ x[: -self.K].reshape(self.K, self.K).T + x[-self.K :]

    def gathered(self, by_logit: Floats, z: Floats) -> Floats:
        """Sums over samples."""
        return np.concatenate([(by_logit.T @ z).ravel(), by_logit.sum(axis=0)])

    def penalised(self, d: Floats) -> Floats:
        """The gradient of the penalty."""
        return self.weights * d

    def penalty_diagonal(self) -> Floats:
        """Of its second derivative."""
        return self.weights

    def rough_inverse(self, p: Floats, z: Floats) -> Linear:
        """By its K blocks, one for each row of W with its bias; the samples that hardly bend a block are left out of it."""
        K = self.K
        if len(z) <= K:  # then a product costs far less than the inverses of K blocks
            return super().rough_inverse(p, z)
        own = np.concatenate([self.weights[:-K].reshape(K, K), self.weights[-K:, None]], axis=1)
        design = np.concatenate([z, np.ones((len(z), 1))], axis=1)
        blocks = np.empty((K, K + 1, K + 1))
        for k in range(K):
            bend = p[:, k] * (1 - p[:, k])
            rows = bend > HARDLY * bend.max()
            blocks[k] = (design[rows] * bend[rows, None]).T @ design[rows] / len(z) + np.diag(own[k])
        inverse = np.linalg.inv(blocks)

        def times(v: Floats) -> Floats:
            found = inverse @ np.concatenate([v[:-K].reshape(K, K), v[-K:, None]], axis=1)[..., None]
            return np.concatenate([found[:, :K, 0].ravel(), found[:, K, 0]])

        return times
