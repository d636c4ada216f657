"""`vector`: vector scaling (Guo et al., ICML 2017)."""

from __future__ import annotations

from typing import Any

from calibench import Calibrator, MethodSpec, Outputs, Param
from calibench.lazy import np, torch
from calibench_methods.calibrators.convex import LogitMap, cross_validated
from calibench_methods.calibrators.multiclass import Floats, with_nll
from calibench_methods.calibrators.parameters import GUO

TRIED = (100.0, 10.0, 1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5)
"""Weights of the penalty that are compared where none is given."""

ANCHOR = 1e-6
"""Weight that holds the mean scale at 1, felt only where nothing else does: on samples that are all right or all wrong."""


SPEC = MethodSpec(
    name="vector",
    kind="calibrator",
    target=f"{__name__}:Vector",
    summary="Vector scaling: a scale and a bias for each class's logit; answers can change.",
    params=(
        Param(
            "l2",
            "float",
            None,
            "weight of var(w) + mean(b^2); not set: picked by 3-fold cross-validation on cal (the paper has none)",
            minimum=1e-8,
        ),
    ),
    equation="p = softmax(w * z + b), (w, b) = argmin NLL on cal + l2 (var(w) + mean(b^2)) + 1e-6 (mean(w) - 1)^2",
    paper=GUO,
    deviations=(
        "the paper has no penalty; without one there is no minimum where a class is absent or the samples are "
        "separable. A heavy l2 gives temperature scaling, 1e-8 the paper's as near as samples allow",
        "l2 is compared at powers of ten from 100 down until it gets worse",
    ),
)


class Vector(Calibrator):
    """`softmax(w * z + b)`, a scale and a bias a class, at the least NLL + l2 (var(w) + mean(b^2)) + 1e-6 (mean(w) - 1)^2."""

    def __init__(self, l2: float | None) -> None:
        self.l2 = l2

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`scale` and `bias` `[K]`, `l2` as given or picked, and the NLL of the same samples before and after, in nats."""
        from threadpoolctl import threadpool_limits

        z, truth, K = outputs.logits().cpu().numpy(), labels.cpu().numpy(), outputs.num_classes
        l2 = self.l2
        with threadpool_limits(1):  # the sums, and with them the last digits, must not depend on the thread count
            if l2 is None:
                l2 = cross_validated(lambda weight: ScaleAndBias(K, weight), TRIED, z, truth, "vector")
            scale, bias = ScaleAndBias(K, l2).fit(z, truth, "vector").reshape(2, K).tolist()
        return with_nll(self, outputs, labels, {"l2": l2, "scale": scale, "bias": bias})

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """Logits `w * z + b`."""
        z = outputs.logits()
        return Outputs(z * z.new_tensor(fitted["scale"]) + z.new_tensor(fitted["bias"]))


class ScaleAndBias(LogitMap):
    """`w * z + b`, parameters `[w, b]`."""

    def __init__(self, K: int, l2: float) -> None:
        self.K = K
        self.l2 = l2
        self.start = np.concatenate([np.ones(K), np.zeros(K)])

    def mapped(self, x: Floats, z: Floats) -> Floats:
        """`w * z + b`."""
        return z * x[: self.K] + x[self.K :]

    def gathered(self, by_logit: Floats, z: Floats) -> Floats:
        """Sums over samples."""
        return np.concatenate([(by_logit * z).sum(axis=0), by_logit.sum(axis=0)])

    def penalised(self, d: Floats) -> Floats:
        """The gradient of the penalty."""
        scale, bias = d[: self.K], d[self.K :]
        mean = scale.mean()
        return 2 / self.K * np.concatenate([self.l2 * (scale - mean) + ANCHOR * mean, self.l2 * bias])

    def penalty_diagonal(self) -> Floats:
        """Of its second derivative."""
        own = self.l2 * (1 - 1 / self.K) + ANCHOR / self.K
        return 2 / self.K * np.concatenate([np.full(self.K, own), np.full(self.K, self.l2)])
