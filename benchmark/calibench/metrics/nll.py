"""Negative log-likelihood of the label (log loss, cross-entropy)."""

from __future__ import annotations

from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details
from calibench.metrics.sample_mean import SampleMean
from calibench.plugins.specs import MetricSpec

CLIP = 1e-12
"""Probabilities are clipped here before the logarithm, since p = 0 gives infinity."""


SPEC = MetricSpec(
    name="nll",
    place=20,
    summary="Mean negative log-likelihood of the label.",
    target=f"{__name__}:Nll",
    unit="nats",
    equation="mean(-ln p_y)",
    paper="Good 1952, Rational Decisions",
    deviations=("Probabilities are clipped at 1e-12, and the record counts the clipped ones.",),
    estimand="the mean of the population",
)


class Nll(SampleMean):
    """`mean(-ln p_label)` in nats: by log-softmax from logits; from probabilities with p clipped at 1e-12.

    Source: Good 1952, "Rational Decisions".
    """

    takes_weights = True
    least = 0.0

    def per_sample(self, judged: Judged) -> Floats:
        """-ln p_label, in nats."""
        return judged.nll

    def details(self, judged: Judged) -> Details:
        """`clipped`: the number of samples with p_label below 1e-12. It is 0 for logits, where nothing is clipped."""
        if not judged.from_probs:
            return {"clipped": 0}
        return {"clipped": int((judged.label_probs < CLIP).sum())}
