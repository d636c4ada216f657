"""Negative log-likelihood (log loss, cross-entropy)."""

from __future__ import annotations

from calibench.lazy import torch
from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details, Metric, weighted_mean
from calibench.plugins.specs import MetricSpec

CLIP = 1e-12
"""Probabilities are clipped here before the logarithm; a p of 0 would give infinity."""


SPEC = MetricSpec(
    name="nll",
    place=20,
    summary="Mean negative log-likelihood of the label.",
    target=f"{__name__}:Nll",
    unit="nats",
    equation="mean(-ln p_y)",
    paper="Good 1952, Rational Decisions",
    deviations=("From probabilities p is clipped at 1e-12, and the record counts the clipped.",),
)


class Nll(Metric):
    """`mean(-ln p_label)` in nats: by log-softmax from logits; from probabilities with p clipped at 1e-12.

    Source: Good 1952, "Rational Decisions".
    """

    def value(self, judged: Judged) -> float:
        """Mean over samples, in nats."""
        return float(judged.nll.mean())

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Weighted mean over samples."""
        return weighted_mean(weights, judged.nll)

    def details(self, judged: Judged) -> Details:
        """`clipped`: how many p_label were below 1e-12 (always 0 from logits, where nothing is clipped)."""
        if not judged.from_probs:
            return {"clipped": 0}
        scores = judged.outputs.scores.detach().cpu()
        own = scores.gather(1, torch.tensor(judged.labels)[:, None]).double()
        return {"clipped": int((own < CLIP).sum())}
