"""`mmce`: cross-entropy plus the weighted maximum mean calibration error of the batch (Kumar et al., ICML 2018)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch

SMALLEST = 1e-10
"""Added under the root, as in the authors' code: the root's slope at 0 is infinite."""

SPEC = MethodSpec(
    name="mmce",
    kind="objective",
    target=f"{__name__}:MMCE",
    summary="MMCE: cross-entropy plus a kernel measure of the batch's calibration error.",
    params=(
        Param(
            "weight",
            "float",
            2.0,
            "weight of the error (Mukhoti et al.: 2 on CIFAR; the authors' code: 4)",
            minimum=0,
        ),
        Param("width", "float", 0.4, "width of the Laplacian kernel (the authors' code: 0.4)", minimum=1e-3),
        Param(
            "scale",
            "str",
            "code",
            "divisor of a group of m rows: code is m^2 as in the authors' code, paper is m as in the paper's equation",
            choices=("code", "paper"),
        ),
    ),
    equation=(
        "loss = -log p_y + weight sqrt(a^T k a), k_ij = exp(-|r_i - r_j| / width), r = max_k p_k, "
        "a_i = (1 - r_i) / m^2 for the m right rows of the batch, -r_i / n^2 for its n wrong rows (scale=paper: m, n)"
    ),
    paper=(
        "A. Kumar, S. Sarawagi, U. Jain, Trainable Calibration Measures for Neural Networks from Kernel Mean Embeddings, "
        "ICML 2018 (the weighted form, MMCE_w)"
    ),
    deviations=(
        "the paper's equation divides a sum over pairs by their number; the authors' code (20ng_mmce.py) takes the mean over "
        "pairs and divides by their number again. The published weights belong to the code, so scale=code is the default. "
        "With 58 right and 6 wrong rows its error is about a fifth of the paper's",
        "a batch without a wrong row, or without a right one, has no penalty, as in the authors' code",
        "a root is taken of the error plus 1e-10, as in the authors' code",
    ),
    use_when="published figures of MMCE are to be repeated, or a network makes many errors on its training rows",
    avoid_when="a batch has few wrong rows: they outweigh the right ones, and all confidences fall until training has converged",
    cost="that of ce, plus a kernel of batch_size^2 numbers a step; torchrun cannot share a batch",
)


class MMCE(Objective):
    """`CE + weight sqrt(a^T k a + 1e-10)` over the batch; see the equation of the spec."""

    splits = False  # the error is one of the whole batch

    def __init__(self, weight: float, width: float, scale: str) -> None:
        self.weight, self.width = weight, width
        self.power = 1 if scale == "paper" else 2

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar: the cross-entropy in nats plus the weighted error, a fraction."""
        cross_entropy = functional.cross_entropy(logits, batch.y)
        return cross_entropy + self.weight * self.error(logits, batch.y)

    def error(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """MMCE_w of the rows, a scalar; 0 if all rows are right or all are wrong. No gradient flows through who is right."""
        confidence, predicted = logits.softmax(dim=1).max(dim=1)
        right = predicted == labels
        num_right = int(right.sum())
        num_wrong = len(labels) - num_right
        if not num_right or not num_wrong:
            return logits.sum() * 0.0
        embedding = torch.where(right, (1 - confidence) / num_right**self.power, -confidence / num_wrong**self.power)
        kernel = torch.exp(-(confidence[:, None] - confidence[None, :]).abs() / self.width)
        return (embedding @ kernel @ embedding).clamp_min(0).add(SMALLEST).sqrt()
