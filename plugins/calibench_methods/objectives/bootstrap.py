"""`bootstrap`: the label mixed with the network's own prediction (Reed et al., ICLR 2015 workshop)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch

PAPER_BETA = {"soft": 0.95, "hard": 0.8}

SPEC = MethodSpec(
    name="bootstrap",
    kind="objective",
    target=f"{__name__}:Bootstrap",
    summary="Bootstrapping: cross-entropy with the label mixed with the network's own prediction.",
    params=(
        Param(
            "mode",
            "str",
            "soft",
            "prediction that is mixed in: soft is p itself, hard its most probable class",
            choices=("soft", "hard"),
        ),
        Param(
            "beta",
            "float",
            None,
            "weight of the label; not set: the paper's 0.95 for soft, 0.8 for hard",
            minimum=0,
            maximum=1,
        ),
    ),
    equation="loss = -sum_k (beta onehot(y)_k + (1 - beta) z_k) log p_k; soft z = p, hard z = onehot(argmax p)",
    use_when="a few labels are wrong at random and neither their rate nor a matrix is known; mode=hard is the stronger form",
    avoid_when="many labels are wrong: at 30 % on MNIST ECE15 is 18 %, where elr, which needs no rate either, has 1 %",
    cost="as ce",
    paper=(
        "S. Reed et al., Training Deep Neural Networks on Noisy Labels with Bootstrapping, ICLR 2015 workshop "
        "(arXiv 1412.6596)"
    ),
    deviations=("soft: the gradient flows through z too, which makes it the minimum-entropy regulariser of the paper",),
)


class Bootstrap(Objective):
    """`-sum_k (beta onehot(y)_k + (1 - beta) z_k) log p_k`, mean over the batch.

    soft: z = p, and the gradient flows through both; hard: z is one-hot at the argmax of p, the lowest index among equals.
    """

    def __init__(self, mode: str, beta: float | None) -> None:
        self.mode = mode
        self.beta = PAPER_BETA[mode] if beta is None else beta

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        log_p = logits.log_softmax(dim=1)
        if self.mode == "soft":
            prediction_term = -(log_p.exp() * log_p).sum(dim=1).mean()
        else:
            prediction_term = functional.nll_loss(log_p, logits.argmax(dim=1))
        return self.beta * functional.nll_loss(log_p, batch.y) + (1 - self.beta) * prediction_term
