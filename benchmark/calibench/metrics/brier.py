"""Brier score, and its decomposition into reliability, resolution and uncertainty."""

from __future__ import annotations

from calibench.metrics.binning import Floats, check_bins
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details
from calibench.metrics.sample_mean import SampleMean
from calibench.metrics.sample_weight import nonzero
from calibench.metrics.weighted_class_bins import class_sums
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="brier",
    place=30,
    summary="Brier score: squared error of the probability vector, in [0, 2].",
    target=f"{__name__}:Brier",
    options={"bins": 15},
    unit="squared probability",
    equation="mean(sum_k (p_k - [y = k])^2)",
    paper="Brier 1950; decomposition Murphy 1973",
    deviations=("Summed over classes; some tables divide by K or 2. The bins are for the decomposition only.",),
    estimand="the mean of the population",
)


class Brier(SampleMean):
    """`mean over samples of sum over classes of (p_k - [label = k])^2`, in [0, 2] (others divide by K, or halve it).

    Source: Brier 1950, "Verification of forecasts expressed in terms of probability".
    """

    takes_weights = True
    least, most = 0.0, 2.0

    def __init__(self, bins: int = 15) -> None:
        self.bins = check_bins(bins)

    def per_sample(self, judged: Judged) -> Floats:
        """The sum over classes."""
        return judged.brier

    def details(self, judged: Judged) -> Details:
        """`reliability - resolution + uncertainty + within_bin = Brier`, over `bins` equal-width bins of each class.

        With n, f, o the count, mean forecast and mean outcome of a bin, and c the class's frequency, summed over the
        K classes: REL = sum n (f - o)^2 / N, RES = sum n (o - c)^2 / N, UNC = c (1 - c). within_bin is the part that
        binning hides: `sum of (p - f)^2 - 2 (p - f)(y - o)` over N (Stephenson, Coelho & Jolliffe 2008).
        Source: Murphy 1973, "A new vector partition of the probability score".
        """
        sums = class_sums(judged, self.bins)
        return decomposition(sums.count, sums.p, sums.square, sums.y, sums.product)


def decomposition(
    count: Floats, forecast_sum: Floats, square_sum: Floats, outcome_sum: Floats, product_sum: Floats
) -> Details:
    """The parts of the Brier score from the sums of 1, p, p^2, y and p y in each of M bins of every class, `[K, M]` each."""
    class_count, filled = outcome_sum.sum(axis=1), nonzero(count)
    n = class_count.sum()
    forecast, outcome, frequency = forecast_sum / filled, outcome_sum / filled, class_count / n
    scatter = square_sum - count * forecast**2
    covariance = product_sum - count * forecast * outcome
    return {
        "bins": count.shape[1],
        "reliability": float((count * (forecast - outcome) ** 2).sum() / n),
        "resolution": float((count * (outcome - frequency[:, None]) ** 2).sum() / n),
        "uncertainty": float((frequency * (1 - frequency)).sum()),
        "within_bin": float((scatter - 2 * covariance).sum() / n),
    }
