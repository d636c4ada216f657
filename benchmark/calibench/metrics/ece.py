"""Top-label calibration error over equal-width bins: expected (ECE) and maximum (MCE)."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints, check_bins, one_hot
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details, Metric, weighted_sums
from calibench.plugins.specs import MetricSpec


def _spec(bins: int, place: int, paper: str) -> MetricSpec:
    return MetricSpec(
        name=f"ece{bins}",
        place=place,
        summary=f"Expected calibration error, top label, {bins} equal-width bins.",
        target=f"{__name__}:ECE",
        options={"bins": bins},
        equation="sum_b n_b / N |conf_b - acc_b|",
        paper=paper,
    )


SPECS = (
    _spec(15, 40, "Guo et al. 2017, arXiv:1706.04599"),
    _spec(10, 50, "Naeini, Cooper & Hauskrecht 2015; 10 bins as in Jordahn & Olmos 2024"),
    MetricSpec(
        name="mce15",
        place=60,
        summary="Maximum calibration error, top label, 15 equal-width bins; too noisy to rank by.",
        target=f"{__name__}:MCE",
        options={"bins": 15},
        equation="max_b |conf_b - acc_b|",
        paper="Naeini, Cooper & Hauskrecht 2015",
        rankable=False,
    ),
)


class _EqualWidth(Metric):
    """What ECE and MCE share: per bin, how many samples and by how much their confidences exceed their successes."""

    bias_corrected = True

    def __init__(self, bins: int = 15) -> None:
        self.bins = check_bins(bins)

    def _of(self, gap_sum: Floats, count: Floats) -> Floats:
        """The figure `[...]` of `sum(confidence) - sum(correct)` and count per bin, `[..., M]`."""
        raise NotImplementedError

    def _bins(self, judged: Judged) -> tuple[Floats, Floats]:
        stats = judged.stats(self.bins)
        return (stats.confidence_sum - stats.correct_sum).numpy(), stats.count.numpy()

    def value(self, judged: Judged) -> float:
        """The figure over all samples."""
        return float(self._of(*self._bins(judged)))

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Bins are fixed by the confidences; only their weighted counts and sums vary: one product with `[N, 2M]`."""
        member = judged.memo(("bin_member", self.bins), lambda: self._member(judged))
        sums = weighted_sums(weights, member)
        return self._of(sums[:, : self.bins], sums[:, self.bins :])

    def _member(self, judged: Judged) -> Floats:
        member = one_hot(judged.bin_index(self.bins), self.bins)
        gap = judged.confidence - judged.correct
        return np.concatenate([gap[:, None] * member, member], axis=1)

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """The figure when sample i is correct with probability confidence_i; counts and confidence sums stay."""
        stats = judged.stats(self.bins)
        member = judged.memo(("bin_one_hot", self.bins), lambda: one_hot(judged.bin_index(self.bins), self.bins))
        hits = weighted_sums(correct.astype(np.float64), member)
        return self._of(stats.confidence_sum.numpy() - hits, stats.count.numpy())


class ECE(_EqualWidth):
    """`sum over bins of n_b / N * |conf_b - acc_b|` of the predicted class, a fraction.

    M equal-width bins `(lo, hi]`, the first closed at 0, edges k / M in float64; empty bins count nothing.
    Source: Naeini, Cooper & Hauskrecht 2015; Guo et al. 2017 (M = 15).
    """

    def _of(self, gap_sum: Floats, count: Floats) -> Floats:
        total: Floats = np.abs(gap_sum).sum(axis=-1) / count.sum(axis=-1)
        return total


class MCE(_EqualWidth):
    """`max over filled bins of |conf_b - acc_b|`, a fraction; one sample can own a bin, so it never ranks.

    Bins as in `ECE`. Source: Naeini, Cooper & Hauskrecht 2015.
    """

    def _of(self, gap_sum: Floats, count: Floats) -> Floats:
        largest: Floats = (np.abs(gap_sum) / np.maximum(count, 1)).max(axis=-1)
        return largest

    def details(self, judged: Judged) -> Details:
        """`bin` (0 .. M-1, the first of equals) where the maximum lies, and its `count` of samples."""
        gap_sum, count = self._bins(judged)
        # -1 keeps an empty bin from standing for a maximum of 0.
        gap = np.where(count > 0, np.abs(gap_sum) / np.maximum(count, 1), -1)
        worst = int(gap.argmax())
        return {"bin": worst, "count": int(count[worst])}
