"""What the answers of a decision rule cost, by the user's own matrix."""

from __future__ import annotations

from calibench.errors import InputError
from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details, Metric, weighted_mean, weighted_sums
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="mean_cost",
    place=180,
    summary="Mean cost of the decisions, by the rule's cost matrix.",
    target=f"{__name__}:MeanCost",
    unit="cost",
    equation="mean(cost[y, decision])",
    paper="Elkan 2001, The Foundations of Cost-Sensitive Learning",
    needs_decision=True,
    deviations=("Runs with different matrices cannot be compared by it.",),
)


class MeanCost(Metric):
    """`mean(cost[label, decision])`, in the unit of the matrix; abstention is its last column. Source: Elkan 2001."""

    def applies(self, judged: Judged) -> bool:
        """Only where the rule has a cost matrix."""
        return judged.costs is not None

    def value(self, judged: Judged) -> float:
        """The figure over all samples."""
        return float(_paid(judged).mean())

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Weighted mean cost."""
        return weighted_mean(weights, _paid(judged))

    def details(self, judged: Judged) -> Details:
        """`expected`, what the probabilities led to expect; `most_probable`, the cost of always answering that class.

        And `abstaining`, the cost of never answering, None where that has no cost.
        """
        costs, rows = _costs(judged), np.arange(judged.n)
        never = costs.shape[1] > judged.num_classes
        return {
            "expected": float(weighted_sums(judged.probs, costs)[rows, judged.decisions].mean()),
            "most_probable": float(costs[judged.labels, judged.prediction].mean()),
            "abstaining": float(costs[judged.labels, -1].mean()) if never else None,
        }


def _costs(judged: Judged) -> Floats:
    if judged.costs is None:
        raise InputError("there is no cost matrix", "end the recipe with cost:matrix=FILE")
    return judged.costs


def _paid(judged: Judged) -> Floats:
    # Decision -1 is the last column, which is abstention where there is one; without one nobody abstains.
    paid: Floats = _costs(judged)[judged.labels, judged.decisions]
    return paid
