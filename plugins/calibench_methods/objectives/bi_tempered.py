"""`bi-tempered`: the bi-tempered logistic loss (Amid et al., NeurIPS 2019)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch

NEWTON_STEPS = 60
"""Limit of Newton steps: 9 normalise ten equal logits at the default temperature, 32 a hundred thousand at t2 = 4."""

SPEC = MethodSpec(
    name="bi-tempered",
    kind="objective",
    target=f"{__name__}:BiTempered",
    summary="Bi-tempered logistic loss: a bounded logarithm (t1) on a softmax with heavy tails (t2).",
    params=(
        Param(
            "t1",
            "float",
            0.8,
            "temperature of the logarithm; below 1 the loss is bounded (the paper: CIFAR-100 0.8, MNIST 0.5)",
            minimum=0,
            maximum=1,
        ),
        Param(
            "t2",
            "float",
            1.2,
            "temperature of the softmax; above 1 its tails are heavy (the paper: CIFAR-100 1.2, MNIST 4)",
            minimum=1,
            maximum=4,
        ),
    ),
    equation=(
        "loss = -log_t1 p_y - (1 - sum_k p_k^(2-t1)) / (2 - t1), p_k = exp_t2(l_k - c), sum_k p_k = 1; "
        "log_t u = (u^(1-t) - 1) / (1 - t), exp_t u = (1 + (1-t) u)^(1/(1-t))"
    ),
    paper=(
        "E. Amid, M. Warmuth, R. Anil, T. Koren, Robust Bi-Tempered Logistic Loss Based on Bregman Divergences, NeurIPS 2019 "
        "(arXiv 1906.03361); code: google/bi-tempered-loss"
    ),
    deviations=(
        "the paper tunes both temperatures for each data set; the defaults are those for CIFAR-100, because t2 = 4 needs logits "
        "that lie 3e5 apart for a probability of 0.01, so that confidences stay low",
        "the normalisation c is solved to the last digit by Newton's method in float64; the authors' code stops after 5 "
        "fixed-point iterations",
        "predictions are the heavy-tailed probabilities, as in the paper; a head refit after this objective has its own softmax",
    ),
    use_when="some labels are wrong, and those far from the decision boundary should not pull on it",
    avoid_when="the rate of wrong labels is high, or the temperatures cannot be tuned on clean validation labels",
    cost="as `ce`, and some 10 passes over the logits of a batch to normalise them",
)


class BiTempered(Objective):
    """`-log_t1 p_y - (1 - sum_k p_k^(2 - t1)) / (2 - t1)`, mean over the batch, with the tempered softmax p of t2.

    t1 = t2 = 1 is the cross-entropy. With t1 < 1 no row loses more than `1 / (1 - t1)`.
    """

    def __init__(self, t1: float, t2: float) -> None:
        self.t1 = t1
        self.t2 = t2

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar; in nats if t1 = 1."""
        log_p = tempered_log_softmax(logits.double(), self.t2)
        at_label = log_p.gather(1, batch.y[:, None]).squeeze(1)
        surprise = -at_label if self.t1 == 1 else -torch.expm1((1 - self.t1) * at_label) / (1 - self.t1)
        spread = (1 - ((2 - self.t1) * log_p).exp().sum(dim=1)) / (2 - self.t1)
        return (surprise - spread).mean().to(logits)

    def softmax_logits(self, logits: torch.Tensor) -> torch.Tensor:
        """The logarithms of the tempered probabilities, which are their softmax, in float64."""
        return tempered_log_softmax(logits.double(), self.t2)


def tempered_log_softmax(logits: torch.Tensor, t: float) -> torch.Tensor:
    """`log exp_t(l_k - c)` with c such that each row of `exp_t(l_k - c)` sums to 1, for t >= 1; `[n, K]` in nats.

    For logits in float64: c is of the order of K^(t - 1), and in float32 logits that differ by less than c / 1e7 would be ties.
    """
    if t == 1:
        return logits.log_softmax(dim=1)
    below = logits.amax(dim=1, keepdim=True) - logits
    shift = _normaliser(below.detach(), t)
    p = _log_exp(below, shift, t).exp()
    # One more Newton step, with gradient: it changes no digit of the shift, and its derivative by the logits is that of the shift.
    shift = shift + (p.sum(dim=1, keepdim=True) - 1) / (p.detach() ** t).sum(dim=1, keepdim=True)
    return _log_exp(below, shift, t)


def _log_exp(below: torch.Tensor, shift: torch.Tensor, t: float) -> torch.Tensor:
    """`log exp_t(-(below + shift))`, that is `-log(1 + (t - 1) (below + shift)) / (t - 1)`."""
    return -torch.log1p((t - 1) * (below + shift)) / (t - 1)


def _normaliser(below: torch.Tensor, t: float) -> torch.Tensor:
    """The shift `[n, 1]` >= 0 at which `exp_t(-(below + shift))` sums to 1 over each row.

    At 0 the largest term alone is 1. The sum falls and is convex, so Newton's method climbs to the root without overshooting.
    """
    shift = torch.zeros_like(below[:, :1])
    for _ in range(NEWTON_STEPS):
        log_p = _log_exp(below, shift, t)
        above_one = functional.relu(log_p.exp().sum(dim=1, keepdim=True) - 1)
        step = above_one / (t * log_p).exp().sum(dim=1, keepdim=True)
        shift = shift + step
        if bool((step <= 1e-15 * (1 + shift)).all()):
            break
    return shift
