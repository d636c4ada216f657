"""Maximum calibration error (MCE) of the top label, over equal-width bins."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.bin_sums import bin_sums
from calibench.metrics.binning import Floats
from calibench.metrics.equal_width import EqualWidthMetric
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details
from calibench.metrics.sample_weight import nonzero
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="mce15",
    place=60,
    summary="Maximum calibration error, top label, 15 equal-width bins; too noisy to rank by.",
    target=f"{__name__}:MCE",
    options={"bins": 15},
    equation="max_b |conf_b - acc_b|",
    paper="Naeini, Cooper & Hauskrecht 2015",
    rankable=False,
    estimand="none: no interval of this figure is known to cover the population value",
)


class MCE(EqualWidthMetric):
    """`max over filled bins of |conf_b - acc_b|`, a fraction. It never ranks, because one sample can fill a bin.

    Bins as in `ECE`. Source: Naeini, Cooper & Hauskrecht 2015.
    """

    def error(self, gap_sums: Floats, counts: Floats) -> Floats:
        """MCE from gap sums and counts."""
        largest: Floats = (np.abs(gap_sums) / nonzero(counts)).max(axis=-1)
        return largest

    def details(self, judged: Judged) -> Details:
        """`bin` (0 .. M-1, the first of equals) with the largest gap, and its `count` of samples."""
        sums = bin_sums(judged, self.bins)
        gap_sums, counts = sums.gap, sums.count
        # -1, so that an empty bin is never the largest, even if all gaps are 0.
        gaps = np.where(counts > 0, np.abs(gap_sums) / nonzero(counts), -1)
        largest = int(gaps.argmax())
        if judged.sample_weight is None:
            return {"bin": largest, "count": int(counts[largest])}
        return {"bin": largest, "count": int(np.count_nonzero(judged.bin_index(self.bins) == largest))}
