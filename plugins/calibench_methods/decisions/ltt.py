"""`ltt`: abstention that controls several risks at once, by Learn then Test with a split fixed sequence."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from calibench import DecisionRule, InputError, MethodSpec, Outputs, Param
from calibench.atomic import digest_of
from calibench.lazy import np, torch
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import ABSTAIN
from calibench.outputs.uncertainty import threshold_of, uncertainty_of
from calibench_methods.decisions.cost import read_costs
from calibench_methods.decisions.parameters import CAL_SPLIT, SHARING
from calibench_methods.decisions.risks import Risks, Sample

LEARN = 4
"""One sample in four learns the order of the tests; the others test."""

GRID = 100
"""Limits that are tested at most: quantiles of the uncertainties of the samples that learn the order."""

DEFAULT_RISK, DEFAULT_DELTA = 0.05, 0.05

SPEC = MethodSpec(
    name="ltt",
    kind="decision",
    target=f"{__name__}:LearnThenTest",
    summary="Abstain so that error rate, error rate of each class and mean cost stay below targets at once, with a guarantee.",
    params=(
        Param(
            "target_risk",
            "float",
            None,
            "the error rate among the answers; not set: 0.05 if no other target is set",
            "fraction",
            minimum=0,
            maximum=1,
        ),
        Param(
            "target_class_risk",
            "float",
            None,
            "for every class the share of its samples that get a wrong answer; an abstention is not wrong",
            "fraction",
            minimum=0,
            maximum=1,
        ),
        Param(
            "target_cost",
            "float",
            None,
            "the mean cost of answers and abstentions by the matrix",
            "cost",
            minimum=-1e12,
            maximum=1e12,
        ),
        Param(
            "matrix",
            "path",
            None,
            "CSV of costs for target_cost, as that of `cost`, with a last column for abstention",
            "cost",
        ),
        Param(
            "delta",
            "float",
            DEFAULT_DELTA,
            "probability, over draws of cal, that a risk exceeds its target",
            minimum=0,
            maximum=1,
        ),
        CAL_SPLIT,
    ),
    equation=(
        "answer = argmax_k p_k where (1 - p_max) / p_max <= limit, else abstain. A quarter of cal orders the limits; on the rest "
        "each is tested by p = max over risks of p_r, in order until the first p > delta. p_r = P(Bin(n, target) <= errors), for "
        "costs min(exp(-n KL(min(R, a) || a)), e P(Bin(n, a) <= ceil(n R))), with R and a, mean cost and target, scaled to [0, 1]"
    ),
    paper=(
        "A. N. Angelopoulos, S. Bates, E. J. Candes, M. I. Jordan, L. Lei, Learn then Test, arXiv:2110.01052, 2021 (split fixed "
        "sequence testing, Hoeffding-Bentkus p-values: its section 3 and proposition 2)"
    ),
    deviations=(
        "the limits are quantiles of the uncertainty on the samples that learn the order, at most 100. The order starts at the "
        "limit with the least p-value there, and goes on to larger limits, so that the last one that passes answers most",
        "counts have the exact binomial p-value in place of Hoeffding-Bentkus, given the number of answers or samples of the class",
        "if no limit passes, every sample is abstained on, the record notes it, and no risk is promised",
        SHARING,
    ),
    use_when="an error rate is not all that matters: costs, every class, or several targets that must hold together",
    avoid_when="one error rate is the target and cal has under 1 000 samples: threshold:target_risk tests on all and answers more",
    cost="none beside ce; one pass over cal for each of at most 100 limits",
)


class LearnThenTest(DecisionRule):
    """`argmax_k p_k` where the uncertainty is at most a limit, else -1; the limit answers most among those that pass all tests.

    With probability 1 - `delta` over draws of cal every target holds at the limit, whatever the risks look like as functions of
    it, with ties or without: given the quarter of cal that orders the limits, the tests are a fixed sequence on other samples.
    InputError for parameters that contradict each other or would do nothing.
    """

    needs_fit = True
    needs_fresh = True

    def __init__(
        self,
        target_risk: float | None = None,
        target_class_risk: float | None = None,
        target_cost: float | None = None,
        matrix: str | None = None,
        delta: float = DEFAULT_DELTA,
        cal_split: str | None = None,
    ) -> None:
        if (target_cost is None) != (matrix is None):
            missing = "matrix" if matrix is None else "target_cost"
            raise InputError(
                f"ltt: {missing} is missing", "target_cost and matrix go together: the costs and their mean"
            )
        if target_risk is None and target_class_risk is None and target_cost is None:
            target_risk = DEFAULT_RISK
        for key, value in (("target_risk", target_risk), ("target_class_risk", target_class_risk), ("delta", delta)):
            if value is not None and not 0 < value < 1:
                raise InputError(f"ltt: {key}={value:g} is not between 0 and 1", f"write a fraction, as in {key}=0.05")
        self.delta, self.cal_split, self.path = delta, cal_split, matrix
        costs = None if matrix is None else read_costs(Path(matrix))
        self.risks = Risks(target_risk, target_class_risk, target_cost, costs)
        self.files = "" if matrix is None else digest_of(Path(matrix))

    def check(self, num_classes: int) -> None:
        """InputError unless the matrix has a cost of abstention, and the target lies within its costs."""
        self.scale_free = num_classes == 2
        costs, target = self.risks.costs, self.risks.target_cost
        if costs is None or target is None:
            return
        shape = len(costs), len(costs[0])
        if shape != (num_classes, num_classes + 1):
            message = f"ltt: {self.path} holds {shape[0]} x {shape[1]} numbers for {num_classes} classes"
            raise InputError(
                message, f"give {num_classes} lines of {num_classes + 1}: the last is the cost of abstention"
            )
        low, high = np.min(costs), np.max(costs)
        if not low < target < high:
            message = f"ltt: target_cost={target:g} is not between the least cost {low:g} and the largest {high:g}"
            raise InputError(message, "give a target within the costs of the matrix")

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`doubt`, the limit, and its `p_value`; the figures of the samples that tested it, and how many learned and tested."""
        doubt = uncertainty_of(outputs, "max-softmax").cpu().numpy()
        sample = Sample(doubt, outputs.scores.argmax(dim=1).cpu().numpy(), labels.cpu().numpy())
        order = torch.randperm(len(doubt)).numpy()
        learn, test = sample.take(order[: len(order) // LEARN]), sample.take(order[len(order) // LEARN :])
        steps = np.arange(1, GRID + 1) / GRID
        limits: list[float] = (
            np.unique(np.quantile(learn.doubt, steps, method="higher")).tolist() if len(learn.doubt) else []
        )
        learned = [self.risks.p_value(learn, limit, outputs.num_classes) for limit in limits]
        start = learned.index(min(learned)) if learned else 0
        fitted: dict[str, Any] = {"learned_on": len(learn.doubt), "tested_on": len(test.doubt), "delta": self.delta}
        passed = None
        for limit in limits[start:]:
            p = self.risks.p_value(test, limit, outputs.num_classes)
            if p > self.delta:
                break
            passed = float(limit), p
        if passed is None:
            note = (
                f"no limit passes on {len(test.doubt)} samples: every sample is abstained on, and no target is promised"
            )
            return {**fitted, "doubt": None, "threshold": None, "note": note}
        limit, p = passed
        return {
            **fitted,
            "doubt": limit,
            "threshold": threshold_of("max-softmax", limit),
            "p_value": p,
        } | self.risks.figures(test, limit)

    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> Decisions:
        """The most probable class where the uncertainty is at most the limit, else -1."""
        limit = -math.inf if fitted["doubt"] is None else fitted["doubt"]
        answers = outputs.scores.argmax(dim=1).where(uncertainty_of(outputs, "max-softmax") <= limit, ABSTAIN)
        targets = {"selective_risk": self.risks.target_risk, "mean_cost": self.risks.target_cost}
        costs = None if self.risks.costs is None else torch.tensor(self.risks.costs, dtype=torch.float64)
        return Decisions(
            answers, costs=costs, targets={key: value for key, value in targets.items() if value is not None}
        )
