"""`vector`: vector scaling (Guo et al., ICML 2017)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Outputs, Param
from calibench.lazy import np, torch
from calibench.stages import FormulaCalibrator, Scores
from calibench_methods.calibrators.logit_map import LogitMap, cross_validated
from calibench_methods.calibrators.multiclass import Floats, with_nll
from calibench_methods.calibrators.parameters import GUO

WEIGHTS = (100.0, 10.0, 1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5)
"""Values of l2 that are compared if it is not set."""

SCALE_WEIGHT = 1e-6
"""Weight that pulls the mean scale to 1. It matters only where nothing else limits the scale: if predictions are all right or
all wrong."""

SPEC = MethodSpec(
    name="vector",
    kind="calibrator",
    advice_order=4,
    advice_per_class=10,
    target=f"{__name__}:Vector",
    summary="Vector scaling: a scale and a bias for each class's logit; predictions can change.",
    params=(
        Param(
            "l2",
            "float",
            None,
            "weight of the penalty var(w) + mean(b^2), which the paper does not have; not set: 3-fold cross-validation on cal "
            "selects it",
            minimum=1e-8,
        ),
    ),
    equation="p = softmax(w * z + b), (w, b) = argmin NLL on cal + l2 (var(w) + mean(b^2)) + 1e-6 (mean(w) - 1)^2",
    use_when="classes are over- or underestimated differently, a class has 10 cal rows or more, and answers may change",
    avoid_when="answers must stay, or classes have few cal rows: its penalty then leaves little more than a temperature",
    cost="a cross-validated fit of 2 K numbers: 4 to 8 s on 5 000 rows of 100 classes",
    paper=GUO,
    deviations=(
        "the paper has no penalty; without one there is no minimum if a class is absent or the samples are separable. A "
        "large l2 gives temperature scaling, and l2=1e-8 comes closest to the paper",
        "the values of l2 compared are powers of ten from 100 down, until the NLL gets worse",
    ),
)


class Vector(FormulaCalibrator):
    """`softmax(w * z + b)`, minimising NLL + l2 (var(w) + mean(b^2)) + 1e-6 (mean(w) - 1)^2; w and b are `[K]`."""

    def __init__(self, l2: float | None) -> None:
        self.l2 = l2

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`scale` and `bias` `[K]`, the `l2` used, and the NLL of the same samples before and after, in nats."""
        from threadpoolctl import threadpool_limits

        z, truth, K = outputs.logits().cpu().numpy(), labels.cpu().numpy(), outputs.num_classes
        l2 = self.l2
        with threadpool_limits(1):  # the last digits of the sums must not depend on the number of threads
            if l2 is None:
                l2 = cross_validated(lambda weight: ScaleAndBias(K, weight), WEIGHTS, z, truth, "vector")
            scale, bias = ScaleAndBias(K, l2).fit(z, truth, "vector").reshape(2, K).tolist()
        return with_nll(self, outputs, labels, {"l2": l2, "scale": scale, "bias": bias})

    def formula(self, scores: Scores, fitted: dict[str, Any]) -> Scores:
        """Logits `w * z + b`."""
        scale, bias = scores.ops.constant(fitted["scale"]), scores.ops.constant(fitted["bias"])
        return scores.as_logits(scores.logits() * scale + bias)

    def snippet(self, fitted: dict[str, Any]) -> list[str]:
        """One line."""
        return [f"z = z * np.array({fitted['scale']!r}) + np.array({fitted['bias']!r})"]


class ScaleAndBias(LogitMap):
    """`w * z + b`, with parameters `[w, b]`."""

    def __init__(self, K: int, l2: float) -> None:
        self.K = K
        self.l2 = l2
        self.start = np.concatenate([np.ones(K), np.zeros(K)])

    def mapped(self, x: Floats, z: Floats) -> Floats:
        """`w * z + b`."""
        return z * x[: self.K] + x[self.K :]

    def adjoint(self, by_logit: Floats, z: Floats) -> Floats:
        """Derivatives by w and b, summed over samples."""
        return np.concatenate([(by_logit * z).sum(axis=0), by_logit.sum(axis=0)])

    def penalty_product(self, d: Floats) -> Floats:
        """`A d`."""
        scale, bias = d[: self.K], d[self.K :]
        mean = scale.mean()
        return 2 / self.K * np.concatenate([self.l2 * (scale - mean) + SCALE_WEIGHT * mean, self.l2 * bias])

    def penalty_diagonal(self) -> Floats:
        """The diagonal of A."""
        of_scale = self.l2 * (1 - 1 / self.K) + SCALE_WEIGHT / self.K
        return 2 / self.K * np.concatenate([np.full(self.K, of_scale), np.full(self.K, self.l2)])
