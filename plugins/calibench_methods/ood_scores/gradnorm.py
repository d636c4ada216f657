"""`gradnorm`: the size of the last layer's gradient (Huang, Geng, Li, NeurIPS 2021)."""

from __future__ import annotations

from calibench import OodScore, OodScoreSpec
from calibench.lazy import torch
from calibench.stages import OodTask

SPEC = OodScoreSpec(
    name="gradnorm",
    target=f"{__name__}:GradNorm",
    summary="Minus the L1 norm of the last layer's gradient of the divergence from uniform probabilities to the prediction.",
    equation="-sum over j of |f_j| times sum over k of |p_k - 1/K| = -||d KL(uniform || p) / d W||_1, p = softmax(W f + b)",
    paper="R. Huang, A. Geng, Y. Li, On the Importance of Gradients for Detecting Shifts, NeurIPS 2021 (arXiv 2110.00218)",
    deviations=(
        "the gradient of the last layer's weight is written in closed form; its temperature is 1, as in the paper",
    ),
    use_when="test rows have longer features and more certain predictions than OOD rows",
    avoid_when="OOD rows have long features: the score then takes them for test rows",
    cost="as energy; nothing is fitted",
)


class GradNorm(OodScore):
    """The gradient is the outer product of `p - 1/K` and the features, so its L1 norm is a product of two L1 norms."""

    def fit(self, task: OodTask) -> None:
        """Take the last layer; InputError if it is not linear."""
        self.weight, self.bias = task.last_layer("gradnorm")

    def uncertainty(self, features: torch.Tensor) -> torch.Tensor:
        """Minus the norm of the gradient."""
        probs = (features @ self.weight.T + self.bias).softmax(dim=1)
        return -features.abs().sum(dim=1) * (probs - 1 / probs.shape[1]).abs().sum(dim=1)
