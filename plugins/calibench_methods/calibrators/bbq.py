"""`bbq`: Bayesian binning into quantiles (Naeini, Cooper and Hauskrecht, AAAI 2015)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Param
from calibench.lazy import np
from calibench_methods.calibrators.histogram import mass_edges
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats
from calibench_methods.calibrators.parameters import ROWS, TOP, of

LEAST_WEIGHT = 1e-3
"""Binnings whose weight is below this share of the best's are left out."""


SPEC = MethodSpec(
    name="bbq",
    kind="calibrator",
    target=f"{__name__}:BBQ",
    summary="Bayesian binning into quantiles: equal-mass histograms averaged by how probable each is.",
    params=(
        Param("strength", "float", 2.0, "N0, samples that the prior of a binning weighs", "samples", minimum=1e-3),
        Param("span", "float", 10.0, "C: B runs from n^(1/3) / C to C n^(1/3)", minimum=1, maximum=100),
        of("top"),
    ),
    equation=(
        "q = sum_B w_B (m + a) / (N + N0/B), w_B ~ prod over bins of G(N0/B) / G(N + N0/B) * G(m + a) / G(a) * "
        "G(N - m + b) / G(b), a = (N0/B) centre, b = (N0/B)(1 - centre), m hits among N samples, G the gamma function"
    ),
    paper="M. Naeini, G. Cooper, M. Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015",
    deviations=(
        TOP,
        "binnings that weigh less than 1/1000 of the best are left out",
        "equal values of p never part; B counts the bins that are left",
        *ROWS,
    ),
)


class BBQ(BinaryMap):
    """The average of equal-mass binnings with B bins each, weighted by how probable the samples are under each.

    With m hits, n misses and N = m + n samples in a bin, a = (N0 / B) p and b = (N0 / B)(1 - p) of the bin's centre p, a
    binning weighs `prod over bins of G(N0/B) / G(N + N0/B) * G(m + a) / G(a) * G(n + b) / G(b)`, G the gamma function, and
    says `(m + a) / (N + N0/B)`.
    """

    def __init__(self, strength: float, span: float, of: str) -> None:
        super().__init__(of)
        self.strength = strength
        self.span = span

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`edges` and `value` of the averaged step function, and `bins` and `weight` of the binnings that make it."""
        root = len(hit) ** (1 / 3)
        tried = range(max(1, int(np.floor(root / self.span))), int(np.ceil(root * self.span)) + 1)
        # Ties can make two B give one set of edges; it is still a model for each B, as its prior is.
        found = [self._binning(column.p, hit, bins) for bins in tried]
        score = np.array([binning[0] for binning in found])
        weight = np.exp(score - score.max())
        kept = np.flatnonzero(weight >= LEAST_WEIGHT)
        weight = weight[kept] / weight[kept].sum()
        edges = np.unique(np.concatenate([found[i][1] for i in kept]))
        inside = np.append(edges, 1.0)  # each step's upper end, which belongs to it
        steps = [found[i][2][np.searchsorted(found[i][1], inside, side="left")] for i in kept]
        value = weight @ np.stack(steps)
        return {
            "edges": edges.tolist(),
            "value": value.tolist(),
            "bins": [tried[i] for i in kept],
            "weight": weight.tolist(),
        }

    def _binning(self, p: Floats, hit: Floats, bins: int) -> tuple[float, Floats, Floats]:
        """Log score, inner edges and values of the binning with at most `bins` bins of near-equal count."""
        from scipy.special import gammaln

        inner = mass_edges(p, bins)
        index = np.searchsorted(inner, p, side="left")
        count = np.bincount(index, minlength=len(inner) + 1)
        hits = np.bincount(index, weights=hit, minlength=len(inner) + 1)
        ends = np.concatenate([[0.0], inner, [1.0]])
        centre = (ends[1:] + ends[:-1]) / 2
        centre = np.clip(centre, 1e-12, 1 - 1e-12)  # a bin of zeros alone may still hold a hit
        prior = self.strength / len(centre)
        a, b = prior * centre, prior * (1 - centre)
        score = gammaln(prior) - gammaln(count + prior)
        score = score + gammaln(hits + a) - gammaln(a) + gammaln(count - hits + b) - gammaln(b)
        return float(score.sum()), inner, (hits + a) / (count + prior)

    def apply_one(self, column: Column, fitted: dict[str, Any]) -> Floats:
        """The value of the step."""
        return np.asarray(fitted["value"])[np.searchsorted(fitted["edges"], column.p, side="left")]
