"""Cross-entropy against soft labels, if the data have them (CIFAR-10H)."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import mean_of
from calibench.metrics.metric import Details
from calibench.metrics.nll import CLIP
from calibench.metrics.sample_mean import SampleMean
from calibench.metrics.soft_labels import soft_labels_of
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="soft_nll",
    place=120,
    summary="Cross-entropy against soft labels (shares of people who gave each label), where the data have them.",
    target=f"{__name__}:SoftNll",
    unit="nats",
    equation="mean(-sum_k q_k ln p_k)",
    paper="J. Peterson et al. 2019, arXiv:1908.07086",
    deviations=("p is clipped at 1e-12. The details hold the entropy of q and KL(q || p), which add up to it.",),
)


class SoftNll(SampleMean):
    """`mean over samples of -sum_k q_k ln p_k` in nats, q the soft label: cross-entropy, which is smallest where p = q.

    p is clipped at 1e-12. Source: Peterson et al. 2019, "Human uncertainty makes classification more robust".
    """

    takes_weights = True
    least = 0.0

    def applies(self, judged: Judged) -> bool:
        """True if the data have soft labels."""
        return judged.soft is not None

    def per_sample(self, judged: Judged) -> Floats:
        """-sum_k q_k ln p_k, in nats."""
        cross_entropy: Floats = -(soft_labels_of(judged) * np.log(np.maximum(judged.probs, CLIP))).sum(axis=1)
        return cross_entropy

    def details(self, judged: Judged) -> Details:
        """`entropy`, the mean of -sum q ln q, below which no prediction can go, and `kl`, the rest: KL(q || p)."""
        q = soft_labels_of(judged)
        entropy = mean_of(judged, -(q * np.log(np.where(q > 0, q, 1.0))).sum(axis=1))
        return {"entropy": entropy, "kl": self.value(judged) - entropy}
