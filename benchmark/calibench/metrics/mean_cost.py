"""Mean cost of a decision rule's answers, by the user's cost matrix."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.judged_decisions import costs_of, promise_details
from calibench.metrics.judged_weights import mean_of
from calibench.metrics.metric import Details
from calibench.metrics.sample_mean import SampleMean
from calibench.metrics.weighted import weighted_sums
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="mean_cost",
    place=180,
    summary="Mean cost of the decisions, by the cost matrix of the rule.",
    target=f"{__name__}:MeanCost",
    unit="cost",
    equation="mean(cost[y, decision])",
    paper="Elkan 2001, The Foundations of Cost-Sensitive Learning",
    needs_decision=True,
    deviations=("It cannot compare runs with different matrices.",),
)


class MeanCost(SampleMean):
    """`mean(cost[label, decision])`, in the unit of the matrix; abstention is its last column. Source: Elkan 2001."""

    takes_weights = True

    def applies(self, judged: Judged) -> bool:
        """True if the rule has a cost matrix."""
        return judged.costs is not None

    def per_sample(self, judged: Judged) -> Floats:
        """The cost of the decision for the true class."""
        # Decision -1 indexes the last column. It is abstention, or no decision abstains (`Decisions.check`).
        cost: Floats = costs_of(judged)[judged.labels, judged.decisions]
        return cost

    def details(self, judged: Judged) -> Details:
        """The target, `expected`, the mean cost that the probabilities predict, and the mean cost of two other rules.

        `most_probable` always answers the most probable class. `abstaining` always abstains; None if that has no cost.
        """
        costs, rows = costs_of(judged), np.arange(judged.n)
        may_abstain = costs.shape[1] > judged.num_classes
        return {
            "expected": mean_of(judged, weighted_sums(judged.probs, costs)[rows, judged.decisions]),
            "most_probable": mean_of(judged, costs[judged.labels, judged.prediction]),
            "abstaining": mean_of(judged, costs[judged.labels, -1]) if may_abstain else None,
            **promise_details(judged, "mean_cost", self.value(judged), "lower"),
        }
