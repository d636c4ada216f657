"""`react`: energy of clipped features (Sun, Guo, Li, NeurIPS 2021)."""

from __future__ import annotations

from calibench import OodScore, OodScoreSpec, Param
from calibench.lazy import np, torch
from calibench.stages import OodTask

SPEC = OodScoreSpec(
    name="react",
    target=f"{__name__}:ReAct",
    summary="Energy of the logits after large features are cut off at a percentile of the training features.",
    params=(
        Param(
            "percentile",
            "float",
            90.0,
            "share of the training activations that stays below the cut (the paper: 90)",
            "%",
            minimum=1,
            maximum=100,
        ),
    ),
    equation="-ln sum over k of exp(W min(f, c) + b)_k, c the percentile of all numbers in the training features",
    paper="Y. Sun, C. Guo, Y. Li, ReAct: OOD Detection With Rectified Activations, NeurIPS 2021 (arXiv 2111.12797)",
    deviations=("c comes from the training rows; OpenOOD takes it from the validation rows",),
    use_when="OOD rows make a few features abnormally large, as in networks with batch norm",
    avoid_when="OOD rows make features small: the cut then lowers the energy of test rows alone",
    cost="one pass of the body over the training rows; then as energy",
)


class ReAct(OodScore):
    """At percentile 100 no test row within the range of the training features changes: the score is the energy."""

    def __init__(self, percentile: float) -> None:
        self.percentile = percentile

    def fit(self, task: OodTask) -> None:
        """The cut; InputError for a head that is not linear."""
        self.weight, self.bias = task.last_layer("react")
        self.cut = float(np.percentile(task.train_features.cpu().numpy(), self.percentile))

    def uncertainty(self, features: torch.Tensor) -> torch.Tensor:
        """The energy of the clipped features, in nats."""
        return -(features.clamp_max(self.cut) @ self.weight.T + self.bias).logsumexp(dim=1)
