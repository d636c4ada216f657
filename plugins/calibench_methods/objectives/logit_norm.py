"""`logit-norm`: cross-entropy of logits scaled to a constant norm (Wei et al., ICML 2022)."""

from __future__ import annotations

import math

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch

SMALLEST_NORM = 1e-7
"""A row of logits with a smaller norm is divided by this."""

SPEC = MethodSpec(
    name="logit-norm",
    kind="objective",
    target=f"{__name__}:LogitNorm",
    summary="Logit normalisation: cross-entropy of logits scaled to a constant norm; add +temperature after it.",
    params=(Param("tau", "float", 0.04, "temperature of the normalised logits (the paper: 0.04)", minimum=1e-4),),
    equation="loss = -log softmax(l / (tau |l|_2))[y]; predictions use l itself",
    use_when="confidences must tell OOD rows from others, and a temperature follows",
    avoid_when="no temperature follows: the loss ignores the norm of the logits, so raw confidences mean little",
    cost="as ce",
    paper="H. Wei et al., Mitigating Neural Network Overconfidence with Logit Normalization, ICML 2022 (arXiv 2205.09310)",
    deviations=(
        "as in the paper, predictions use the logits with their norm, which the loss does not see: confidences need temperature "
        "scaling",
        "the checkpoint is that of the lowest validation NLL at its best temperature, because the norm would decide the NLL as it "
        "stands; the paper keeps the last epoch",
    ),
)


LARGEST_SCALE, CURVE_POINTS, CURVE_PASSES = 8.0, 17, 5
"""The search for the best temperature: |log T| relative to the mean norm of the logits, points a pass, passes. Each pass cuts the
bracket to an eighth. The last points lie 2.4e-4 apart in log T; the NLL changes with its square, so it is right to 1e-7."""


class LogitNorm(Objective):
    """`-log softmax(l / (tau |l|_2))[y]` for logits l, mean over the batch."""

    def __init__(self, tau: float) -> None:
        self.tau = tau

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return functional.cross_entropy(functional.normalize(logits, dim=1, eps=SMALLEST_NORM) / self.tau, batch.y)

    def validation_nll(self, logits: torch.Tensor, labels: torch.Tensor) -> float:
        """The NLL at the best temperature, in nats: the same for `c l` as for l, at any c > 0."""
        return nll_at_best_temperature(logits.double(), labels)


def nll_at_best_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The least mean NLL of softmax(l / T) over T, in nats, for logits `[n, K]` in float64.

    The NLL is convex in 1 / T, so it falls and then rises along log T, and a bracket around the least of a row of points holds the
    minimum. Where it falls to one end of the bracket, as with right predictions only, that end counts.
    """
    from calibench.kernels import nll_curve

    norm = float(logits.norm(dim=1).mean())
    if norm == 0:
        return math.log(logits.shape[1])
    low, high = -LARGEST_SCALE, LARGEST_SCALE
    least = math.inf
    for _ in range(CURVE_PASSES):
        step = (high - low) / (CURVE_POINTS - 1)
        points = [low + step * i for i in range(CURVE_POINTS)]
        curve = nll_curve(logits / norm, labels, points).nll_sum
        place = int(curve.argmin())
        least = min(least, float(curve[place]) / len(labels))
        low, high = points[max(place - 1, 0)], points[min(place + 1, CURVE_POINTS - 1)]
    return least
