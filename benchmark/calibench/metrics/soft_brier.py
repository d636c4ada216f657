"""Brier score against soft labels, if the data have them (CIFAR-10H)."""

from __future__ import annotations

from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.sample_mean import SampleMean
from calibench.metrics.soft_labels import soft_labels_of
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="soft_brier",
    place=130,
    summary="Squared error against soft labels, in [0, 2], where the data have them.",
    target=f"{__name__}:SoftBrier",
    unit="squared probability",
    equation="mean(sum_k (p_k - q_k)^2)",
    paper="Brier 1950, with the outcome replaced by the shares q of people",
)


class SoftBrier(SampleMean):
    """`mean over samples of sum_k (p_k - q_k)^2`, q the soft label, in [0, 2]. It equals `brier` if q is one class."""

    least, most = 0.0, 2.0

    def applies(self, judged: Judged) -> bool:
        """True if the data have soft labels."""
        return judged.soft is not None

    def per_sample(self, judged: Judged) -> Floats:
        """sum_k (p_k - q_k)^2."""
        squared_error: Floats = ((judged.probs - soft_labels_of(judged)) ** 2).sum(axis=1)
        return squared_error
