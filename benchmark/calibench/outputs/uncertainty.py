"""Uncertainty scores for abstention and OOD detection: one number per row, small where the network is sure."""

from __future__ import annotations

from collections.abc import Callable

from calibench.errors import InputError
from calibench.lazy import np, torch
from calibench.outputs.outputs import Outputs

LOG_PROBABILITIES = 1e-5
"""Energies that are all smaller are the rounding of log-probabilities, as vtst's average of softmaxes gives: they rank nothing."""


def uncertainty_of(outputs: Outputs, score: str, pnorm: float = 5.0) -> torch.Tensor:
    """`[N]` in float64, small = sure. Rounded to float32, so that equal rows tie whichever loop computed them.

    `max-softmax`: r = (1 - p_max) / p_max, that is sum over j != argmax of p_j / p_max, which never saturates.
    `entropy`: -sum_k p_k ln p_k, in nats.
    `margin`: 1 - (p_max - the second largest p).
    `energy`: -ln sum_k exp(x_k), in nats (Liu et al., NeurIPS 2020, temperature 1); InputError for probabilities or their logs.
    `max-logit`: -max_k x_k (Hendrycks et al., ICML 2022); InputError for probabilities.
    `max-logit-pnorm`: -max_k z_k / ||z||_p with z = x - mean(x) (Cattelan & Silva, UAI 2024); 0 where all x are equal.
    """
    if score == "max-logit-pnorm":
        return rounded(negative_max_logit_pnorm(outputs, pnorm))
    return rounded(_UNCERTAINTIES[score](outputs))


def threshold_of(score: str, uncertainty: float) -> float:
    """A limit on the uncertainty as a limit on the score that users know.

    `max-softmax`: a confidence. `margin`: a margin. `max-logit-pnorm`: a normalised logit. All others: the uncertainty. Scores in
    float64 reach it where the rounded uncertainty is within its limit.
    """
    uncertainty = unrounded(uncertainty)
    if score == "max-softmax":
        return 1 / (1 + uncertainty)
    if score == "margin":
        return 1 - uncertainty
    return -uncertainty if score == "max-logit-pnorm" else uncertainty


def rounded(uncertainty: torch.Tensor) -> torch.Tensor:
    """Rounded to float32, in float64; infinities become float32's largest number."""
    largest = torch.finfo(torch.float32).max
    return uncertainty.clamp(-largest, largest).float().double()


def unrounded(limit: float) -> float:
    """The largest uncertainty in float64 that float32 rounds to the `limit`, but for halves; the ends of float32 stay."""
    if abs(limit) >= np.finfo(np.float32).max:
        return limit
    return (limit + float(np.nextafter(np.float32(limit), np.float32(np.inf)))) / 2


def _relative_probs(outputs: Outputs) -> tuple[torch.Tensor, torch.Tensor]:
    """p_k / p_max `[N, K]` with 0 at the argmax, and its sum over the classes `[N, 1]`. Probabilities are not normalised."""
    if outputs.from_probs:
        scores = outputs.scores.double()
        ratios = scores / scores.amax(dim=1, keepdim=True)
    else:
        logits = outputs.logits()
        ratios = (logits - logits.amax(dim=1, keepdim=True)).exp()
    rest = ratios.scatter(1, ratios.argmax(dim=1, keepdim=True), 0.0)
    return rest, rest.sum(dim=1, keepdim=True)


def tail(outputs: Outputs) -> torch.Tensor:
    """r = (1 - p_max) / p_max, `[N]`."""
    return _relative_probs(outputs)[1][:, 0]


def entropy(outputs: Outputs) -> torch.Tensor:
    """-sum_k p_k ln p_k, `[N]` in nats."""
    plogp: torch.Tensor = torch.special.entr(outputs.probs())
    return plogp.sum(dim=1)


def one_minus_margin(outputs: Outputs) -> torch.Tensor:
    """1 - (p_1 - p_2) = (tail + p_2 / p_1) / (1 + tail), where p_1 and p_2 are the largest and second largest p."""
    rest, tail = _relative_probs(outputs)
    return ((tail + rest.amax(dim=1, keepdim=True)) / (1 + tail))[:, 0]


def negative_log_sum(outputs: Outputs) -> torch.Tensor:
    """-ln sum_k exp(x_k), `[N]` in nats; InputError for probabilities and their logarithms."""
    if outputs.from_probs:
        message = "score energy needs logits, and these are probabilities"
        raise InputError(message, "a softmax loses the energy: use another score, or give logits")
    energy = -outputs.logits().logsumexp(dim=1)
    if bool((energy.abs() < LOG_PROBABILITIES).all()):
        message = "score energy needs logits, and these are logarithms of probabilities, whose energy is 0"
        raise InputError(message, "use another score, or the logits before a mean of softmaxes")
    return energy


def negative_max_logit(outputs: Outputs) -> torch.Tensor:
    """-max_k x_k, `[N]`; InputError for probabilities."""
    if outputs.from_probs:
        message = "score max-logit needs logits, and these are probabilities"
        raise InputError(message, "a softmax loses the size of logits: use another score, or give logits")
    return -outputs.logits().amax(dim=1)


def negative_max_logit_pnorm(outputs: Outputs, pnorm: float = 5.0) -> torch.Tensor:
    """-max_k z_k / ||z||_p with z = x - mean(x), `[N]`; 0 where all x are equal."""
    z = outputs.logits()
    z = z - z.mean(dim=1, keepdim=True)
    # Divide by the largest first: a power of a large logit would overflow.
    largest = z.abs().amax(dim=1)
    unit = z / largest.clamp_min(torch.finfo(torch.float64).tiny)[:, None]
    norm = unit.abs().pow(pnorm).sum(dim=1).pow(1 / pnorm)
    return torch.where(largest > 0, -unit.amax(dim=1) / norm.clamp_min(1.0), 0.0)


_UNCERTAINTIES: dict[str, Callable[[Outputs], torch.Tensor]] = {
    "max-softmax": tail,
    "entropy": entropy,
    "margin": one_minus_margin,
    "energy": negative_log_sum,
    "max-logit": negative_max_logit,
}
