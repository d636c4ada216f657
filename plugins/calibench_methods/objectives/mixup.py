"""`mixup`: training on convex combinations of two samples (Zhang et al., ICLR 2018)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, nn, torch
from calibench.stages import Batch

SPEC = MethodSpec(
    name="mixup",
    kind="objective",
    target=f"{__name__}:Mixup",
    summary="Mixup: trains on convex combinations of two samples and of the losses of their labels.",
    params=(
        Param(
            "alpha",
            "float",
            0.2,
            "each step draws its mixing weight from Beta(alpha, alpha) (Zhang et al.: 0.2 to 0.4 on ImageNet, 1 on CIFAR-10); "
            "0 mixes nothing",
            minimum=0,
        ),
    ),
    equation="x' = m x + (1 - m) x2, loss = m CE(f(x'), y) + (1 - m) CE(f(x'), y2), m ~ Beta(alpha, alpha)",
    use_when="a large network would over-fit on images or other inputs whose mixtures make sense",
    avoid_when=(
        "inputs are categories, or the network is small: it becomes under-confident (digits: ECE15 3.7 %, ce 1.8 %); "
        "torchrun cannot split it"
    ),
    cost="as ce: one pass over the mixed batch",
    paper=(
        "H. Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018 (arXiv 1710.09412); calibration: "
        "S. Thulasidasan et al., On Mixup Training, NeurIPS 2019 (arXiv 1905.11001)"
    ),
)


class Mixup(Objective):
    """`m CE(f(x'), y) + (1 - m) CE(f(x'), y2)` at `x' = m x + (1 - m) x2`, mean over the batch.

    Each step draws one m ~ Beta(alpha, alpha); (x2, y2) is the batch in a random order. alpha = 0 is cross-entropy.
    """

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The cross-entropy without mixing, a scalar in nats."""
        return functional.cross_entropy(logits, batch.y)

    def step(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """A scalar, in nats; draws from torch's global generator."""
        if self.alpha == 0:
            return self.loss(network(batch.x), batch)
        weight = float(torch.distributions.Beta(*torch.tensor([self.alpha, self.alpha], dtype=torch.float64)).sample())
        partner = torch.randperm(len(batch.y)).to(batch.y.device)
        logits = network(weight * batch.x + (1 - weight) * batch.x[partner])
        return weight * self.loss(logits, batch) + (1 - weight) * functional.cross_entropy(logits, batch.y[partner])
