"""`temperature`: temperature scaling (Guo et al., ICML 2017)."""

import math
from typing import Any

import torch
from scipy.optimize import brentq

from calibench import Calibrator, Outputs, RunError

BOUND = 50.0
"""T must lie in [1/50, 50]: beyond it the fit has run away and means nothing."""

WIDEST = 1e100
"""Between two logits of a row: their sums and products with T stay finite."""

TOLERANCE = 1e-6
"""Of log T."""


class Temperature(Calibrator):
    """`softmax(logits / T)` with T at the minimum of the NLL, found where its slope over log T changes sign.

    The NLL is convex in 1/T, so that sign changes once. Raises RunError when it does not change inside the bracket.
    """

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`temperature`, and the NLL of the same samples before and after, in nats."""
        logits = outputs.logits()
        logits = logits - logits.max(dim=1, keepdim=True).values
        spread = -float(logits.min())
        if spread > WIDEST:
            message = f"temperature: in some row the logits lie {spread:.3g} apart"
            raise RunError(message, f"more than {WIDEST:g} cannot be scaled in float64: are these logits?")
        before = _nll(logits, labels, 1.0)
        temperature = _minimum(logits, labels)
        after = _nll(logits, labels, temperature)
        if after > before:  # by rounding alone: the curve is flat here
            temperature, after = 1.0, before
        return {"temperature": temperature, "nll_before": before, "nll_after": after}

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """Logits over T."""
        return Outputs(outputs.logits() / fitted["temperature"])


def _minimum(logits: torch.Tensor, labels: torch.Tensor) -> float:
    edge = math.log(BOUND)
    low, high = (_slope(logits, labels, log_t) for log_t in (-edge, edge))
    if not logits.any():  # every row is constant (its maximum has been taken off): T changes nothing
        return 1.0
    if low >= 0:
        raise RunError(
            f"temperature: the NLL of these {len(labels)} samples still falls at T = 1/{BOUND:g}",
            "the answers are all (or nearly all) right with room to spare: there is no finite temperature to fit; "
            "give more samples to fit on",
        )
    if high <= 0:
        raise RunError(
            f"temperature: the NLL of these {len(labels)} samples still falls at T = {BOUND:g}",
            "the logits say nothing about these labels: is the network trained, and are rows and classes in the same order?",
        )
    return math.exp(brentq(lambda log_t: _slope(logits, labels, log_t), -edge, edge, xtol=TOLERANCE))


def _slope(logits: torch.Tensor, labels: torch.Tensor, log_t: float) -> float:
    """d NLL / d log T = mean over rows of (x_y - sum_k p_k x_k) / T."""
    scaled = logits / math.exp(log_t)
    expected = (scaled.softmax(dim=1) * scaled).sum(dim=1)
    return float((scaled.gather(1, labels[:, None])[:, 0] - expected).mean())


def _nll(logits: torch.Tensor, labels: torch.Tensor, temperature: float) -> float:
    return float(torch.nn.functional.cross_entropy(logits / temperature, labels))
