"""`threshold`: answer if a class reaches its threshold, or if the uncertainty stays below a fitted limit; else abstain."""

from __future__ import annotations

from typing import Any

from calibench import DecisionRule, InputError, MethodSpec, Outputs, Param
from calibench.lazy import torch
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import ABSTAIN
from calibench_methods.decisions.class_thresholds import tune
from calibench_methods.decisions.parameters import VALUE, values_param
from calibench_methods.decisions.uncertainty_limit import UncertaintyLimit

SCORES = ("max-softmax", "entropy", "margin", "energy", "max-logit-pnorm")

SPEC = MethodSpec(
    name="threshold",
    kind="decision",
    target=f"{__name__}:Threshold",
    summary="Answer only where a class reaches its threshold, which is set or fitted on cal; abstain elsewhere.",
    params=(
        VALUE,
        values_param("a threshold for each class"),
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
            "answer at least this share of the samples, those with the least uncertainty; fitted on cal",
            "fraction",
            minimum=0,
            maximum=1,
        ),
        Param(
            "metric",
            "str",
            None,
            "tune a threshold for each class on cal to this metric of the class against the rest "
            "(balanced-accuracy is best where Youden's J is)",
            choices=("f1", "balanced-accuracy"),
        ),
        Param(
            "score",
            "str",
            "max-softmax",
            "score that ranks samples for target_risk and target_coverage",
            choices=SCORES,
        ),
        Param("pnorm", "float", None, "p of score=max-logit-pnorm; not set: 5", minimum=1, maximum=100),
        Param(
            "guarantee",
            "str",
            None,
            "guarantee that the target holds for the population and not only on cal; not set: clopper-pearson",
            choices=("clopper-pearson", "sgr", "none"),
        ),
        Param(
            "delta",
            "float",
            None,
            "probability, over draws of cal, that the guarantee fails; not set: 0.05 (Geifman & El-Yaniv: 0.001)",
            "probability",
            minimum=0,
            maximum=1,
        ),
    ),
    equation=(
        "answer = argmax over {k : p_k >= t_k} of p_k, abstain when the set is empty; with a target, "
        "answer = argmax_k p_k where uncertainty(x) <= limit. clopper-pearson: from k = n_0, 4 n_0, 16 n_0, ... (J starts, "
        "n_0 the least k that could pass) on, the k samples of least uncertainty are accepted while "
        "P(Binomial(k, target) <= errors) <= delta / J"
    ),
    use_when="the model may abstain: by thresholds of your own, or to a target of risk or coverage with a guarantee",
    avoid_when="every row needs an answer, or cal is small: a guarantee then accepts few rows or none",
    cost="a sort of cal, or nothing for fixed thresholds; one comparison a class",
    paper=(
        "C. K. Chow, On Optimum Recognition Error and Reject Tradeoff, IEEE Trans. Inf. Theory 16(1), 1970; "
        "Y. Geifman, R. El-Yaniv, Selective Classification for Deep Neural Networks, NeurIPS 2017 (sgr); "
        "A. N. Angelopoulos et al., Learn then Test, arXiv:2110.01052, 2021 (clopper-pearson); "
        "W. Liu et al., Energy-based Out-of-distribution Detection, NeurIPS 2020 (energy); "
        "L. F. P. Cattelan, D. Silva, How to Fix a Broken Confidence Estimator, UAI 2024 (max-logit-pnorm)"
    ),
    deviations=(
        "if several classes reach their thresholds, the most probable one answers, the lowest index among equals",
        "value=0.5 is the default, so it counts as not set beside another option",
        "clopper-pearson on risk is exact if the population's risk, as coverage grows, rises through the target once; with c "
        "such crossings it fails with probability at most c delta. It assumes untied uncertainties and independent samples",
        "clopper-pearson on coverage is exact, because the rank of the limit depends only on the number of samples",
        "sgr keeps the limit of most coverage among those whose bound passed, not the last one tried. The paper takes its union "
        "bound over the steps of the search, although the labels determine which limits it tries",
        "with a guarantee, calibrators are fitted on a random half of cal and the limit on the other half: a calibrator that has "
        "seen the limit's samples makes them look better than they are",
        "if no limit passes, every sample is abstained on, and the record notes it",
        "max-logit-pnorm: the paper tunes p on held-out samples, here p is a parameter; energy has temperature 1",
    ),
)


class Threshold(DecisionRule):
    """The most probable class among those with `p_k >= t_k`, or the most probable one where `uncertainty <= limit`; else -1.

    `t_k` is `value` for all, or `values[k]`, or tuned on cal to `metric`. The limit is fitted on cal to `target_risk` or
    `target_coverage`; `limit` takes its parameters. InputError for parameters that contradict each other or do nothing.
    """

    def __init__(
        self, value: float = 0.5, values: tuple[float, ...] | None = None, metric: str | None = None, **limit: Any
    ) -> None:
        self.value, self.values, self.metric = value, values, metric
        self.limit = UncertaintyLimit(**limit)
        rules = {
            "value": None if value == 0.5 else value,
            "values": values,
            "metric": metric,
            "target_risk": self.limit.target_risk,
            "target_coverage": self.limit.target_coverage,
        }
        chosen = [key for key, setting in rules.items() if setting is not None]
        if len(chosen) > 1:
            message = f"threshold takes one of {', '.join(rules)}, not both {chosen[0]} and {chosen[1]}"
            raise InputError(message, "drop one of them")
        self.limit.check()
        self.needs_fit = metric is not None or self.limit.target is not None
        self.needs_fresh = self.limit.needs_fresh

    def check(self, num_classes: int) -> None:
        """InputError unless there is one threshold per class."""
        if self.values is not None and len(self.values) != num_classes:
            message = f"threshold: {len(self.values)} values for {num_classes} classes"
            raise InputError(message, "give one threshold for each class, joined by ';'")

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`thresholds` of the classes and their metric, or the limit on the uncertainty; nothing for fixed thresholds."""
        if self.metric is not None:
            thresholds, best = tune(outputs.probs().cpu().numpy(), labels.cpu().numpy(), self.metric)
            return {"thresholds": thresholds, f"cal_{self.metric.replace('-', '_')}": best}
        return {} if self.limit.target is None else self.limit.fit(outputs, labels)

    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> Decisions:
        """Class indices `[N]`; -1 where no class reaches its threshold, or where the uncertainty exceeds the limit."""
        if self.limit.target is not None:
            return self.limit.decide(outputs, fitted)
        thresholds = fitted["thresholds"] if self.metric is not None else self.values or [self.value]
        return Decisions(answers_above(outputs, thresholds))


def answers_above(outputs: Outputs, thresholds: list[float] | tuple[float, ...]) -> torch.Tensor:
    """The most probable class that reaches its threshold, `[N]`; -1 if none does."""
    from calibench.kernels import softmax_threshold

    if not outputs.from_probs:
        return softmax_threshold(outputs.scores, thresholds).prediction
    probs = outputs.scores.double()
    # Compared in the precision of the scores: a stored float32 0.7 is 0.69999999, and 0.7 is meant.
    limits = torch.tensor(thresholds, dtype=torch.float64).to(outputs.scores.dtype).double()
    reached = probs >= limits.to(probs.device)
    answer = probs.where(reached, -torch.inf).argmax(dim=1)
    return answer.where(reached.any(dim=1), ABSTAIN)
