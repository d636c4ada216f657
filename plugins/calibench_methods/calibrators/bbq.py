"""`bbq`: Bayesian binning into quantiles (Naeini, Cooper and Hauskrecht, AAAI 2015)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Param
from calibench.lazy import np
from calibench_methods.calibrators.multiclass import Column, Floats
from calibench_methods.calibrators.parameters import OF_DEVIATIONS, TOP_DEVIATION, of_param
from calibench_methods.calibrators.steps import StepMap, bin_centres, bin_counts, mass_edges, step_values

LEAST_WEIGHT = 1e-3
"""Binnings whose weight is below this share of the largest weight are left out."""

SPEC = MethodSpec(
    name="bbq",
    kind="calibrator",
    target=f"{__name__}:BBQ",
    summary="Bayesian binning into quantiles: an average of equal-mass histograms, weighted by their marginal likelihood.",
    params=(
        Param("strength", "float", 2.0, "N0, weight of a binning's prior", "samples", minimum=1e-3),
        Param("span", "float", 10.0, "C: B runs from n^(1/3) / C to C n^(1/3)", minimum=1, maximum=100),
        of_param("top"),
    ),
    equation=(
        "q = sum_B w_B (m + a) / (N + N0/B), w_B ~ prod over bins of G(N0/B) / G(N + N0/B) * G(m + a) / G(a) * "
        "G(N - m + b) / G(b), a = (N0/B) centre, b = (N0/B)(1 - centre), m hits among N samples, G the gamma function"
    ),
    use_when="confidences need a step map and no number of bins should be chosen by hand",
    avoid_when="of=classes with many classes: steps tie and answers change (LeNet-5: accuracy 12.4 to 7.1 %)",
    cost="fits every number of bins up to 10 n^(1/3); records of 7 to 9 MB with of=classes on 100 classes",
    paper="M. Naeini, G. Cooper, M. Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015",
    deviations=(
        TOP_DEVIATION,
        "binnings with less than 1/1000 of the largest weight are left out",
        "equal values of p share a bin, so there can be fewer than B bins; B in the equation is then their number",
        *OF_DEVIATIONS,
    ),
)


class BBQ(StepMap):
    """The average of equal-mass binnings with B bins each, weighted by their marginal likelihood.

    With m hits, n misses and N = m + n samples in a bin of centre p, let a = (N0 / B) p and b = (N0 / B)(1 - p). A binning has
    the weight `prod over bins of G(N0/B) / G(N + N0/B) * G(m + a) / G(a) * G(n + b) / G(b)`, G the gamma function, and the
    value `(m + a) / (N + N0/B)` in the bin.
    """

    def __init__(self, strength: float, span: float, of: str) -> None:
        super().__init__(of)
        self.strength = strength
        self.span = span

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`edges` and `value` of the averaged step function; `bins` and `weight` of the binnings that it averages."""
        root = len(hit) ** (1 / 3)
        bins = range(max(1, int(np.floor(root / self.span))), int(np.ceil(root * self.span)) + 1)
        # Ties can give two B the same edges; each B still counts as a model, because the priors differ.
        binnings = [self._binning(column.p, hit, count) for count in bins]
        score = np.array([log_score for log_score, _ in binnings])
        weight = np.exp(score - score.max())
        indices = np.flatnonzero(weight >= LEAST_WEIGHT)
        weight = weight[indices] / weight[indices].sum()
        edges = np.unique(np.concatenate([binnings[i][1]["edges"] for i in indices]))
        upper_ends = np.append(edges, 1.0)  # the upper end of a step belongs to it
        value = weight @ np.stack([step_values(upper_ends, binnings[i][1]) for i in indices])
        return {
            "edges": edges.tolist(),
            "value": value.tolist(),
            "bins": [bins[i] for i in indices],
            "weight": weight.tolist(),
        }

    def _binning(self, p: Floats, hit: Floats, bins: int) -> tuple[float, dict[str, Floats]]:
        """The log score of the binning with at most `bins` bins of near-equal count, and its `edges` and `value`."""
        from scipy.special import gammaln

        edges = mass_edges(p, bins)
        count, hits = bin_counts(p, hit, edges)
        centre = np.clip(bin_centres(edges), 1e-12, 1 - 1e-12)  # a bin of p = 0 alone can still have a hit
        prior = self.strength / len(centre)
        a, b = prior * centre, prior * (1 - centre)
        score = gammaln(prior) - gammaln(count + prior)
        score = score + gammaln(hits + a) - gammaln(a) + gammaln(count - hits + b) - gammaln(b)
        return float(score.sum()), {"edges": edges, "value": (hits + a) / (count + prior)}
