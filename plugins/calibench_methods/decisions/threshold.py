"""`threshold`: answer where a class reaches its threshold, or where the uncertainty stays under a fitted limit; else abstain."""

from __future__ import annotations

import math
from typing import Any

from calibench import DecisionRule, InputError, MethodSpec, Outputs, Param
from calibench.lazy import torch
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import ABSTAIN
from calibench.outputs.uncertainty import threshold_of, uncertainty_of
from calibench_methods.decisions.class_thresholds import tune
from calibench_methods.decisions.selective_fit import limit_coverage, limit_risk

WAYS = ("value", "values", "metric", "target_risk", "target_coverage")


SCORES = ("max-softmax", "entropy", "margin", "energy", "max-logit-pnorm")

SPEC = MethodSpec(
    name="threshold",
    kind="decision",
    target=f"{__name__}:Threshold",
    summary="Answer only where a class reaches its threshold, given or fitted on cal; elsewhere abstain.",
    params=(
        Param("value", "float", 0.5, "one threshold for all classes", "probability", minimum=0, maximum=1),
        Param(
            "values",
            "floats",
            None,
            "a threshold for each class, as 0.2;0.4;0.4",
            "probability",
            minimum=0,
            maximum=1,
        ),
        Param(
            "target_risk",
            "float",
            None,
            "answer as often as the error rate among the answers stays at or below this; fitted on cal",
            "fraction",
            minimum=0,
            maximum=1,
        ),
        Param(
            "target_coverage",
            "float",
            None,
            "answer at least this share of the samples, the surest; fitted on cal",
            "fraction",
            minimum=0,
            maximum=1,
        ),
        Param(
            "metric",
            "str",
            None,
            "a threshold for each class, tuned on cal to this figure of one class against the rest "
            "(Youden's J is best where balanced-accuracy is)",
            choices=("f1", "balanced-accuracy"),
        ),
        Param("score", "str", "max-softmax", "what target_risk and target_coverage rank samples by", choices=SCORES),
        Param("pnorm", "float", None, "p of score=max-logit-pnorm; 5 unless given", minimum=1, maximum=100),
        Param(
            "guarantee",
            "str",
            None,
            "what holds for the population, not only for cal; clopper-pearson unless given",
            choices=("clopper-pearson", "sgr", "none"),
        ),
        Param(
            "delta",
            "float",
            None,
            "chance, over draws of cal, that the guarantee fails; 0.05 unless given (Geifman & El-Yaniv: 0.001)",
            "probability",
            minimum=0,
            maximum=1,
        ),
    ),
    equation=(
        "answer = argmax over {k : p_k >= t_k} of p_k, abstain when the set is empty; with a target, "
        "answer = argmax_k p_k where uncertainty(x) <= limit. clopper-pearson: from k = n_0, 4 n_0, 16 n_0, ... (J starts, "
        "n_0 the least k that could pass) on, the k least doubtful are accepted while "
        "P(Binomial(k, target) <= errors) <= delta / J"
    ),
    paper=(
        "C. K. Chow, On Optimum Recognition Error and Reject Tradeoff, IEEE Trans. Inf. Theory 16(1), 1970; "
        "Y. Geifman, R. El-Yaniv, Selective Classification for Deep Neural Networks, NeurIPS 2017 (sgr); "
        "A. N. Angelopoulos et al., Learn then Test, arXiv:2110.01052, 2021 (clopper-pearson); "
        "W. Liu et al., Energy-based Out-of-distribution Detection, NeurIPS 2020 (energy); "
        "L. F. P. Cattelan, D. Silva, How to Fix a Broken Confidence Estimator, UAI 2024 (max-logit-pnorm)"
    ),
    deviations=(
        "several classes passing: the most probable of them answers, the lowest index among equals",
        "value=0.5 is the default, so beside another option it counts as not given",
        "clopper-pearson on risk: exact where the population's risk, as coverage grows, rises through the target once; "
        "with c such crossings it fails with probability c delta at most; untied doubts, independent samples",
        "clopper-pearson on coverage: exact, since the rank of the limit depends on the number of samples alone",
        "sgr: the limit kept is the one of most coverage whose bound passed, not the last tried; the paper takes its "
        "union bound over the steps of the search, although which limits it tries depends on the labels",
        "with a guarantee, after calibrators: these are fitted on a random half of cal and the limit on the other, since "
        "a map that has seen the limit's samples makes them look better than they are",
        "no limit passing: every sample is abstained on, and the record says so",
        "max-logit-pnorm: the paper tunes p on held-out samples, here it is given; energy: temperature 1",
    ),
)


class Threshold(DecisionRule):
    """The most probable class among those with `p_k >= t_k`, or the most probable one where `uncertainty <= limit`; else -1.

    `t_k` is `value` for all, or `values[k]`, or tuned on cal to `metric`; the limit is fitted on cal to `target_risk` or
    `target_coverage`. Raises InputError for options that contradict each other or would do nothing.
    """

    def __init__(
        self,
        value: float = 0.5,
        values: tuple[float, ...] | None = None,
        target_risk: float | None = None,
        target_coverage: float | None = None,
        metric: str | None = None,
        score: str = "max-softmax",
        pnorm: float | None = None,
        guarantee: str | None = None,
        delta: float | None = None,
    ) -> None:
        given = {"value": None if value == 0.5 else value, "values": values, "metric": metric}
        given |= {"target_risk": target_risk, "target_coverage": target_coverage}
        said = [way for way in WAYS if given[way] is not None]
        if len(said) > 1:
            raise InputError(f"threshold takes one of {', '.join(WAYS)}, not both {said[0]} and {said[1]}", "drop one")
        self.way = said[0] if said else "value"
        self.value, self.values, self.metric = value, values, metric
        self.score, self.pnorm = score, 5.0 if pnorm is None else pnorm
        self.needs_fit = self.way in {"metric", "target_risk", "target_coverage"}
        self.target = target_coverage if target_risk is None else target_risk
        self.guarantee = guarantee or "clopper-pearson"
        self.delta = 0.05 if delta is None else delta
        self.needs_fresh = self.target is not None and self.guarantee != "none"
        self._refuse_idle(score, pnorm, guarantee, delta)

    def _refuse_idle(self, score: str, pnorm: float | None, guarantee: str | None, delta: float | None) -> None:
        aimed = {"score": None if score == "max-softmax" else score, "guarantee": guarantee, "delta": delta}
        idle = next((key for key, given in aimed.items() if given is not None), None)
        if self.target is None and idle is not None:
            message = f"threshold: {idle} says how target_risk or target_coverage is reached, and neither is given"
            raise InputError(message, f"add target_risk=0.02, or drop {idle}")
        if pnorm is not None and score != "max-logit-pnorm":
            raise InputError(
                f"threshold: pnorm does nothing for score {score}", "add score=max-logit-pnorm, or drop it"
            )
        if self.guarantee == "none" and delta is not None:
            raise InputError("threshold: delta does nothing without a guarantee", "drop delta, or guarantee=none")
        if self.guarantee == "sgr" and self.way == "target_coverage":
            hint = "use clopper-pearson or none"
            raise InputError("threshold: guarantee sgr bounds the risk, and target_coverage has none", hint)
        if self.target is not None and not 0 < self.target < 1:
            raise InputError(f"threshold: {self.way}={self.target:g} is not between 0 and 1", "as in target_risk=0.02")
        if not 0 < self.delta < 1:
            raise InputError(f"threshold: delta={self.delta:g} is not between 0 and 1", "as in delta=0.05")

    def check(self, num_classes: int) -> None:
        """InputError unless there is one threshold a class."""
        if self.values is not None and len(self.values) != num_classes:
            message = f"threshold: {len(self.values)} values for {num_classes} classes"
            raise InputError(message, "give one threshold for each class, joined by ';'")

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`thresholds` of the classes, or `threshold` on the score and `uncertainty`, the limit, with what cal showed there."""
        if self.metric is not None:
            thresholds, best = tune(outputs.probs().cpu().numpy(), labels.cpu().numpy(), self.metric)
            return {"thresholds": thresholds, f"cal_{self.metric.replace('-', '_')}": best}
        if self.target is None:
            return {}
        uncertainty = uncertainty_of(outputs, self.score, self.pnorm).cpu().numpy()
        wrong = (outputs.scores.argmax(dim=1).cpu() != labels.cpu()).numpy()
        fit = limit_risk if self.way == "target_risk" else limit_coverage
        found = fit(uncertainty, wrong, self.target, self.guarantee, self.delta)
        everything = found.uncertainty == math.inf  # which JSON cannot hold
        learned = {
            "threshold": None
            if found.uncertainty is None or everything
            else threshold_of(self.score, found.uncertainty),
            "doubt": None if everything else found.uncertainty,
            "accepts": "nothing" if found.uncertainty is None else "everything" if everything else "up to doubt",
            "cal_coverage": found.accepted / len(uncertainty),
            "cal_risk": found.errors / found.accepted if found.accepted else None,
            "guarantee": self.guarantee,
        }
        if self.guarantee != "none":
            learned |= {"delta": self.delta, "bound": found.bound}
        return learned | ({"note": found.note} if found.note else {})

    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> Decisions:
        """Class indices `[N]`, -1 where no class passes or the uncertainty is too large."""
        if self.target is None:
            return Decisions(self._passing(outputs, fitted))
        uncertainty = uncertainty_of(outputs, self.score, self.pnorm)
        limit = {"nothing": -math.inf, "everything": math.inf}.get(fitted["accepts"], fitted["doubt"])
        answers = outputs.scores.argmax(dim=1).where(uncertainty <= limit, ABSTAIN)
        aim = "selective_risk" if self.way == "target_risk" else "coverage"
        if self.score == "max-softmax":  # the record ranks by the tail itself, not rounded
            return Decisions(answers, targets={aim: self.target})
        return Decisions(answers, uncertainty=uncertainty, score=self.score, targets={aim: self.target})

    def _passing(self, outputs: Outputs, fitted: dict[str, Any]) -> torch.Tensor:
        from calibench.kernels import softmax_threshold

        values = fitted["thresholds"] if self.metric is not None else self.values or [self.value]
        if not outputs.from_probs:
            return softmax_threshold(outputs.scores, values).prediction
        # A stored float32 0.7 is 0.69999999 and means 0.7.
        probs = outputs.scores.double()
        thresholds = torch.tensor(values, dtype=torch.float64).to(outputs.scores.dtype).double()
        passing = probs >= thresholds.to(probs.device)
        answer = probs.where(passing, -torch.inf).argmax(dim=1)
        return answer.where(passing.any(dim=1), ABSTAIN)
