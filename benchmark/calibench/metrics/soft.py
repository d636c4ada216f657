"""Figures against soft labels: what shares of people called each sample, where the data say so (CIFAR-10H)."""

from __future__ import annotations

from calibench.errors import InputError
from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details, Metric, weighted_mean
from calibench.metrics.nll import CLIP
from calibench.plugins.specs import MetricSpec

SPECS = (
    MetricSpec(
        name="soft_nll",
        place=120,
        summary="Cross-entropy against soft labels, where the data bring the shares of people who gave each label.",
        target=f"{__name__}:SoftNll",
        unit="nats",
        equation="mean(-sum_k q_k ln p_k)",
        paper="J. Peterson et al. 2019, arXiv:1908.07086",
        deviations=("p is clipped at 1e-12. Its details hold the entropy of q and KL(q || p), which add up to it.",),
    ),
    MetricSpec(
        name="soft_brier",
        place=130,
        summary="Squared error against soft labels, in [0, 2], where the data bring them.",
        target=f"{__name__}:SoftBrier",
        unit="squared probability",
        equation="mean(sum_k (p_k - q_k)^2)",
        paper="Brier 1950, with the outcome replaced by the shares q of people",
    ),
)


class SoftNll(Metric):
    """`mean over samples of -sum_k q_k ln p_k` in nats, q the soft label: cross-entropy, least where p = q.

    p is clipped at 1e-12. Source: Peterson et al. 2019, "Human uncertainty makes classification more robust".
    """

    def applies(self, judged: Judged) -> bool:
        """Only where the data bring soft labels."""
        return judged.soft is not None

    def value(self, judged: Judged) -> float:
        """Mean over samples, in nats."""
        return float(_cross_entropy(judged).mean())

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Weighted mean over samples."""
        return weighted_mean(weights, _cross_entropy(judged))

    def details(self, judged: Judged) -> Details:
        """`entropy`, the mean of -sum q ln q, which no prediction can go below, and `kl`, what is left: KL(q || p)."""
        q = _soft(judged)
        entropy = float(-(q * np.log(np.where(q > 0, q, 1.0))).sum(axis=1).mean())
        return {"entropy": entropy, "kl": self.value(judged) - entropy}


class SoftBrier(Metric):
    """`mean over samples of sum_k (p_k - q_k)^2`, q the soft label, in [0, 2]: `brier` where q is one class."""

    def applies(self, judged: Judged) -> bool:
        """Only where the data bring soft labels."""
        return judged.soft is not None

    def value(self, judged: Judged) -> float:
        """Mean over samples."""
        return float(_squares(judged).mean())

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Weighted mean over samples."""
        return weighted_mean(weights, _squares(judged))


def _soft(judged: Judged) -> Floats:
    if judged.soft is None:
        raise InputError("there are no soft labels to judge by", "use data that bring them, such as cifar10h")
    return judged.soft


def _cross_entropy(judged: Judged) -> Floats:
    def terms() -> Floats:
        found: Floats = -(_soft(judged) * np.log(np.maximum(judged.probs, CLIP))).sum(axis=1)
        return found

    return judged.memo("soft nll", terms)


def _squares(judged: Judged) -> Floats:
    def terms() -> Floats:
        found: Floats = ((judged.probs - _soft(judged)) ** 2).sum(axis=1)
        return found

    return judged.memo("soft brier", terms)
