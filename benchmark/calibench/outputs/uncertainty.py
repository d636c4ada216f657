"""Scores that abstention and OOD detection can go by: how doubtful a row is, least where the network is surest."""

from __future__ import annotations

from collections.abc import Callable

from calibench.errors import InputError
from calibench.lazy import torch
from calibench.outputs.outputs import Outputs


def uncertainty_of(outputs: Outputs, score: str, pnorm: float = 5.0) -> torch.Tensor:
    """`[N]` in float64, small where sure; rounded to float32, so that equal rows tie whatever loop computed them.

    `max-softmax`: r = (1 - p_max) / p_max, that is sum over j != argmax of p_j / p_max, which never saturates.
    `entropy`: -sum_k p_k ln p_k, in nats.
    `margin`: 1 - (p_max - the second largest p).
    `energy`: -ln sum_k exp(x_k), in nats (Liu et al., NeurIPS 2020, temperature 1); InputError for probabilities.
    `max-logit`: -max_k x_k (Hendrycks et al., ICML 2022); InputError for probabilities.
    `max-logit-pnorm`: -max_k z_k / ||z||_p with z = x - mean(x) (Cattelan & Silva, UAI 2024); 0 where all x are equal.
    """
    if score == "max-logit-pnorm":
        return _rounded(_max_logit_pnorm(outputs, pnorm))
    return _rounded(_DOUBTS[score](outputs))


def threshold_of(score: str, uncertainty: float) -> float:
    """A limit on the uncertainty as one on the score itself: a confidence, a margin, a normalised logit; else the uncertainty."""
    if score == "max-softmax":
        return 1 / (1 + uncertainty)
    if score == "margin":
        return 1 - uncertainty
    return -uncertainty if score == "max-logit-pnorm" else uncertainty


def _rounded(uncertainty: torch.Tensor) -> torch.Tensor:
    most = torch.finfo(torch.float32).max
    return uncertainty.clamp(-most, most).float().double()


def _others(outputs: Outputs) -> tuple[torch.Tensor, torch.Tensor]:
    """p_k / p_max for k other than the argmax, where it is 0, and their sum `[N, 1]`; probabilities are as they come."""
    if outputs.from_probs:
        scores = outputs.scores.double()
        shares = scores / scores.amax(dim=1, keepdim=True)
    else:
        logits = outputs.logits()
        shares = (logits - logits.amax(dim=1, keepdim=True)).exp()
    rest = shares.scatter(1, shares.argmax(dim=1, keepdim=True), 0.0)
    return rest, rest.sum(dim=1, keepdim=True)


def _tail(outputs: Outputs) -> torch.Tensor:
    return _others(outputs)[1][:, 0]


def _entropy(outputs: Outputs) -> torch.Tensor:
    plogp: torch.Tensor = torch.special.entr(outputs.probs())
    return plogp.sum(dim=1)


def _margin(outputs: Outputs) -> torch.Tensor:
    """1 - (p_1 - p_2) = (sum of the others + the largest of them) / (1 + their sum), in units of p_1."""
    rest, tail = _others(outputs)
    return ((tail + rest.amax(dim=1, keepdim=True)) / (1 + tail))[:, 0]


def _energy(outputs: Outputs) -> torch.Tensor:
    if outputs.from_probs:
        message = "score energy needs logits, and these are probabilities"
        raise InputError(message, "a softmax has lost the energy; use another score, or give logits")
    return -outputs.logits().logsumexp(dim=1)


def _max_logit(outputs: Outputs) -> torch.Tensor:
    if outputs.from_probs:
        message = "score max-logit needs logits, and these are probabilities"
        raise InputError(message, "a softmax has lost their size; use another score, or give logits")
    return -outputs.logits().amax(dim=1)


def _max_logit_pnorm(outputs: Outputs, pnorm: float) -> torch.Tensor:
    z = outputs.logits()
    z = z - z.mean(dim=1, keepdim=True)
    # Over the largest first: a power of a large logit would overflow.
    largest = z.abs().amax(dim=1)
    unit = z / largest.clamp_min(torch.finfo(torch.float64).tiny)[:, None]
    norm = unit.abs().pow(pnorm).sum(dim=1).pow(1 / pnorm)
    return torch.where(largest > 0, -unit.amax(dim=1) / norm.clamp_min(1.0), 0.0)


_DOUBTS: dict[str, Callable[[Outputs], torch.Tensor]] = {
    "max-softmax": _tail,
    "entropy": _entropy,
    "margin": _margin,
    "energy": _energy,
    "max-logit": _max_logit,
}
