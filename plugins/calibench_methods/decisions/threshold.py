"""`threshold`: set thresholds of classes, thresholds tuned to a metric, or a limit on the uncertainty beyond which it abstains."""

from __future__ import annotations

from typing import Any

from calibench import DecisionRule, InputError, MethodSpec, Outputs, Param
from calibench.lazy import torch
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import ABSTAIN
from calibench_methods.decisions.parameters import CAL_SPLIT, SHARING, VALUE, check_one_set, values_param
from calibench_methods.decisions.tuned_thresholds import (
    BETA,
    DELTA,
    GUARANTEE,
    METRIC,
    TARGETS,
    TunedThresholds,
    label_doubts,
)
from calibench_methods.decisions.uncertainty_limit import UncertaintyLimit

LIMIT = ("target_risk", "target_coverage", "score", "pnorm")
"""The parameters of `UncertaintyLimit` besides its guarantee."""

SCORES = ("max-softmax", "entropy", "margin", "energy", "max-logit-pnorm")

SPEC = MethodSpec(
    name="threshold",
    kind="decision",
    target=f"{__name__}:Threshold",
    summary="Thresholds on probabilities: set, tuned on cal to a metric, or a limit above which it abstains, with a guarantee.",
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
        METRIC,
        BETA,
        *TARGETS,
        Param(
            "classes",
            "str",
            None,
            "metric of the positive class alone, or the mean over all classes; not set: positive of two classes, all of more",
            choices=("positive", "all"),
            late=True,
        ),
        Param(
            "positive",
            "str",
            None,
            "the positive class, by name where the classes have names, else by number; not set: class 1 of two",
            late=True,
        ),
        Param(
            "score",
            "str",
            "max-softmax",
            "score that ranks samples for target_risk and target_coverage",
            choices=SCORES,
        ),
        Param("pnorm", "float", None, "p of score=max-logit-pnorm; not set: 5", minimum=1, maximum=100),
        GUARANTEE,
        DELTA,
        CAL_SPLIT,
    ),
    equation=(
        "answer = argmax over {k : p_k >= t_k} of p_k, abstain when the set is empty; with a metric, positive if p >= t, else "
        "the most probable other class, or argmax_k p_k / t_k if all classes are tuned; with target_risk or target_coverage, "
        "answer = argmax_k p_k where uncertainty(x) <= limit. clopper-pearson: from k = n_0, 4 n_0, 16 n_0, ... (J starts, "
        "n_0 the least k that could pass) on, the k samples of least uncertainty are accepted while "
        "P(Binomial(k, target) <= errors) <= delta / J"
    ),
    use_when="answers count and not only probabilities: a rare class, a metric such as F1, or a target of risk or coverage",
    avoid_when="costs are known: cost decides by them; or cal has under 3 / target_risk rows: no risk can then be guaranteed",
    cost="a sort of cal, and a search that takes seconds for 1 000 classes; nothing for fixed thresholds",
    paper=(
        "C. K. Chow, On Optimum Recognition Error and Reject Tradeoff, IEEE Trans. Inf. Theory 16(1), 1970; "
        "Y. Geifman, R. El-Yaniv, Selective Classification for Deep Neural Networks, NeurIPS 2017 (sgr); "
        "A. N. Angelopoulos et al., Learn then Test, arXiv:2110.01052, 2021 (clopper-pearson); "
        "Z. C. Lipton, C. Elkan, B. Naryanaswamy, Optimal Thresholding of Classifiers to Maximize F1 Measure, ECML 2014; "
        "H. Narasimhan et al., Consistent Multiclass Algorithms for Complex Performance Measures, ICML 2015 (p_k / t_k); "
        "W. Liu et al., Energy-based Out-of-distribution Detection, NeurIPS 2020 (energy); "
        "L. F. P. Cattelan, D. Silva, How to Fix a Broken Confidence Estimator, UAI 2024 (max-logit-pnorm)"
    ),
    deviations=(
        "value or values: if several classes reach their thresholds, the most probable one answers, the lowest index among equals",
        "value=0.5 is the default, so it counts as not set beside another option",
        "metric never abstains. Of K > 2 classes it tunes argmax_k p_k / t_k by coordinate ascent from t = 1 / K, which may stop "
        "at a local optimum; Narasimhan et al. fit a general loss matrix instead. With positive=, one threshold is tuned, and "
        "the most probable of the other classes answers below it",
        "metric: a threshold is the probability of a sample of cal, among equals the largest one, or lies between two samples "
        "where all of K > 2 classes are tuned; cal_before and cal_after are figures of the same samples, so they flatter the rule",
        "target_precision is target_risk for the answers of one class, and target_recall is target_coverage among its samples, "
        "with their guarantees; of several labels each has its own guarantee, not one for all",
        "clopper-pearson on risk is exact if the population's risk, as coverage grows, rises through the target once; with c "
        "such crossings it fails with probability at most c delta. It assumes untied uncertainties and independent samples",
        "clopper-pearson on coverage is exact, because the rank of the limit depends only on the number of samples",
        "sgr keeps the limit of most coverage among those whose bound passed, not the last one tried. The paper takes its union "
        "bound over the steps of the search, although the labels determine which limits it tries",
        SHARING,
        "if no limit passes, every sample is abstained on, and the record notes it",
        "max-logit-pnorm: the paper tunes p on held-out samples, here p is a parameter; energy has temperature 1",
    ),
)


class Threshold(DecisionRule):
    """The most probable class among those with `p_k >= t_k`, or the most probable one where `uncertainty <= limit`; else -1.

    `t_k` is `value` for all, or `values[k]`. `metric`, `target_precision` and `target_recall` tune thresholds on cal, one of the
    positive class, one a label, or one a class, and never abstain; `TunedThresholds` takes their parameters. The limit is
    fitted on cal to `target_risk` or `target_coverage`; `UncertaintyLimit` takes its parameters. InputError for parameters
    that contradict each other or do nothing.
    """

    def __init__(
        self, value: float = 0.5, values: tuple[float, ...] | None = None, cal_split: str | None = None, **options: Any
    ) -> None:
        self.value, self.values, self.cal_split = value, values, cal_split
        # A guarantee is one of the tuned thresholds where they have a target, else of the limit.
        promise = {key: options.pop(key, None) for key in ("guarantee", "delta")}
        targeted = options.get("target_precision") is not None or options.get("target_recall") is not None
        limit = {key: options.pop(key) for key in LIMIT if key in options}
        self.limit = UncertaintyLimit(**limit, **({} if targeted else promise))
        self.tuned = TunedThresholds(**options, **(promise if targeted else {}))
        rules = {
            "value": None if value == 0.5 else value,
            "values": values,
            "metric": self.tuned.metric,
            "target_risk": self.limit.target_risk,
            "target_coverage": self.limit.target_coverage,
            "target_precision": self.tuned.target_precision,
            "target_recall": self.tuned.target_recall,
        }
        check_one_set("threshold", rules)
        self.limit.check()
        self.tuned.check()
        self.needs_fit = self.tuned.active or self.limit.target is not None
        self.needs_fresh = self.tuned.needs_fresh or self.limit.needs_fresh

    def check(self, num_classes: int) -> None:
        """InputError unless there is one threshold per class, and a positive class if one is needed."""
        # A temperature keeps the order of p among two classes, and the direction of the logits among any number.
        self.scale_free = self.limit.score == "max-logit-pnorm" or (num_classes == 2 and self.limit.score != "energy")
        self.tuned.check_classes(num_classes, self.class_names, self.labels_per_sample > 1)
        if self.values is not None and len(self.values) != num_classes:
            message = f"threshold: {len(self.values)} values for {num_classes} classes"
            raise InputError(message, "give one threshold for each class, joined by ';'")

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`thresholds` with precision, recall and F1 before and after, or the limit on the uncertainty; nothing if fixed."""
        if self.tuned.active and outputs.labels_per_sample > 1:
            return self.tuned.fit_labels(outputs, labels)
        if self.tuned.active:
            positive = self.tuned.positive_class(outputs.num_classes, self.class_names)
            fitted = self.tuned.fit_classes(outputs, labels, positive)
            return fitted | (
                {"positive_name": self.class_names[positive]} if positive is not None and self.class_names else {}
            )
        return {} if self.limit.target is None else self.limit.fit(outputs, labels)

    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> Decisions:
        """Class indices `[N]`; -1 where no class reaches its threshold, or where the uncertainty exceeds the limit."""
        if self.limit.target is not None:
            return self.limit.decide(outputs, fitted)
        if self.tuned.active and outputs.labels_per_sample > 1:
            return Decisions(self.tuned.reached(label_doubts(outputs), fitted).flatten().long())
        if self.tuned.active:
            return Decisions(self.tuned.answers(outputs, fitted))
        return Decisions(answers_above(outputs, self.values or [self.value]))


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
