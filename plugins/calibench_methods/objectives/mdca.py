"""`mdca`: focal loss plus the gap between mean probability and frequency of every class (Hebbalaguppe et al., CVPR 2022)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch
from calibench_methods.objectives.focal import focal_loss
from calibench_methods.objectives.log_probability import label_log_probs

SPEC = MethodSpec(
    name="mdca",
    kind="objective",
    target=f"{__name__}:MDCA",
    summary="MDCA: focal loss plus the gap between each class's mean probability and its share of the batch.",
    params=(
        Param("weight", "float", 1.0, "weight of the gap, beta (the authors' scripts: 1)", minimum=0),
        Param(
            "gamma",
            "float",
            1.0,
            "focusing strength of the focal loss (the authors' scripts: 1); 0 is cross-entropy",
            minimum=0,
        ),
    ),
    equation=(
        "loss = -(1 - p_y)^gamma log p_y + weight (1/K) sum_k |mean of p_k - share of label k|, both over the batch"
    ),
    paper=(
        "R. Hebbalaguppe et al., A Stitch in Time Saves Nine: A Train-Time Regularizing Loss for Improved Neural Network "
        "Calibration, CVPR 2022 (arXiv 2203.13834)"
    ),
    deviations=("gamma and weight are those of the authors' CIFAR-10 script; they choose both for each dataset",),
    use_when="the judged rows are harder than the training rows, and classes are few beside the rows of a batch",
    avoid_when="a batch holds less than a few rows of a class: its share of the batch is then mostly chance",
    cost="that of ce; torchrun cannot share a batch",
)


class MDCA(Objective):
    """`focal + weight (1/K) sum_k |mean p_k - share of k|` over the batch."""

    splits = False  # the gap is one of the whole batch

    def __init__(self, weight: float, gamma: float) -> None:
        self.weight, self.gamma = weight, gamma

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar: the focal loss in nats plus the weighted gap, a fraction."""
        focal = focal_loss(label_log_probs(logits, batch.y), self.gamma).mean()
        probs = logits.softmax(dim=1)
        shares = functional.one_hot(batch.y, logits.shape[1]).to(probs).mean(dim=0)
        return focal + self.weight * (probs.mean(dim=0) - shares).abs().mean()
