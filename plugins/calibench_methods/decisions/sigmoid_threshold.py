"""`sigmoid-threshold`: compares the sigmoid of every class with a threshold."""

from __future__ import annotations

from typing import Any

from calibench import DecisionRule, InputError, MethodSpec, Outputs
from calibench.lazy import torch
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import ABSTAIN
from calibench.outputs.several_labels import label_scores
from calibench_methods.decisions.answer_metrics import rates
from calibench_methods.decisions.class_thresholds import rounded_doubt
from calibench_methods.decisions.parameters import CAL_SPLIT, SHARING, VALUE, check_one_set, values_param
from calibench_methods.decisions.tuned_thresholds import TUNING, TunedThresholds, changed, label_doubts

SPEC = MethodSpec(
    name="sigmoid-threshold",
    kind="decision",
    target=f"{__name__}:SigmoidThreshold",
    summary="The set of classes whose sigmoid reaches its threshold, for multi-label or one-vs-rest outputs.",
    params=(VALUE, values_param("a threshold for each class, or label"), *TUNING, CAL_SPLIT),
    equation="set = {k : 1 / (1 + exp(-x_k)) >= t_k}; answer = argmax over the set of x_k, or abstain when it is empty",
    use_when="rows have several labels, or bce gave each class a sigmoid of its own",
    avoid_when="the network has a softmax: threshold is the rule for it",
    cost="one comparison a class; nothing is fitted",
    paper="M.-L. Zhang, Z.-H. Zhou, A Review on Multi-Label Learning Algorithms, IEEE TKDE 26(8), 2014 (binary relevance)",
    deviations=(
        "if rows have one label, the answer is the most probable class of the set, the lowest index among equals",
        "the risk-coverage curve ranks samples by the largest sigmoid",
        "probabilities, such as those of a calibrator or an ensemble, are compared with the thresholds directly",
        "metric, target_precision and target_recall tune each class or label by itself against the rest; a guarantee holds for "
        "each, not for all at once",
        SHARING,
    ),
)


class SigmoidThreshold(DecisionRule):
    """The set `{k: 1 / (1 + exp(-x_k)) >= t_k}`; `t_k` is `value` for all, or `values[k]`, or tuned on cal.

    With one label per row, the answer is the most probable class of the set, the lowest index among equals; an empty set
    abstains. Probabilities, such as those of a calibrator or an ensemble, are compared directly: `p_k >= t_k`. With several
    labels per row, the answer to label k is yes (1) if it reaches its threshold, else no (0). `TunedThresholds` takes the
    parameters of tuned thresholds.
    """

    one_vs_rest = True

    def __init__(
        self, value: float = 0.5, values: tuple[float, ...] | None = None, cal_split: str | None = None, **tuned: Any
    ) -> None:
        self.cal_split = cal_split
        self.tuned = TunedThresholds("sigmoid-threshold", **tuned)
        rules = {
            "value": None if value == 0.5 else value,
            "values": values,
            "metric": self.tuned.metric,
            "target_precision": self.tuned.target_precision,
            "target_recall": self.tuned.target_recall,
        }
        check_one_set("sigmoid-threshold", rules)
        if self.tuned.goal.target is None and (self.tuned.guarantee or self.tuned.delta is not None):
            key = "guarantee" if self.tuned.guarantee else "delta"
            message = f"sigmoid-threshold: {key} applies to target_precision or target_recall, and neither is set"
            raise InputError(message, f"add target_recall=0.9, or drop {key}")
        self.tuned.check()
        self.needs_fit, self.needs_fresh = self.tuned.active, self.tuned.needs_fresh
        self.thresholds = (value,) if values is None else values
        self.per_class = values is not None

    def check(self, num_classes: int) -> None:
        """InputError unless there is one threshold per class, or per label."""
        # A temperature keeps the order of a label's yes; with one label a sample, a softmax lies between it and the sigmoids.
        self.scale_free = self.labels_per_sample > 1
        if self.per_class and len(self.thresholds) != num_classes:
            message = f"sigmoid-threshold: {len(self.thresholds)} values for {num_classes} classes or labels"
            raise InputError(message, "give one threshold for each class or label, joined by ';'")

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`thresholds` of the classes or labels, with precision, recall and F1 of each before and after; nothing if fixed."""
        if not self.tuned.active:
            return {}
        if outputs.labels_per_sample > 1:
            return self.tuned.fit_labels(outputs, labels)
        doubts = class_doubts(outputs)
        truth = (labels.cpu()[:, None] == torch.arange(outputs.num_classes)).numpy()
        fitted = self.tuned.fit_columns(doubts, truth, "class")
        before, after = (doubts <= 1).cpu().numpy(), self.tuned.reached(doubts, fitted).cpu().numpy()
        fitted |= {"cal_before": rates(before, truth), "cal_after": rates(after, truth)}
        return fitted | changed(before != after, fitted.get("note"), "the sets are those of the threshold 0.5")

    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> Decisions:
        """The sets and the answers; the uncertainty is minus the largest logit or probability."""
        if outputs.labels_per_sample > 1:
            if self.tuned.active:
                return Decisions(self.tuned.reached(label_doubts(outputs), fitted).flatten().long())
            return Decisions(self._reached(label_scores(outputs), outputs.from_probs).flatten().long())
        x = outputs.scores.double()
        if self.tuned.active:
            sets = self.tuned.reached(class_doubts(outputs), fitted)
        else:
            sets = self._reached(outputs.scores, outputs.from_probs)
        # By logit, because sigmoids can round to the same number.
        answers = x.where(sets, -torch.inf).argmax(dim=1).where(sets.any(dim=1), ABSTAIN)
        return Decisions(answers, sets=sets, uncertainty=-x.amax(dim=1), score="max-sigmoid")

    def _reached(self, scores: torch.Tensor, from_probs: bool) -> torch.Tensor:
        """Bool of the scores' shape: True where a class, or label, reaches its threshold."""
        from calibench.kernels import sigmoid_threshold

        if not from_probs:
            return sigmoid_threshold(scores, self.thresholds).sets
        limits = torch.tensor(self.thresholds, dtype=scores.dtype, device=scores.device)
        return scores.double() >= limits.double()


def class_doubts(outputs: Outputs) -> torch.Tensor:
    """`(1 - p_k) / p_k` of every class, `[N, K]`, p_k the sigmoid of its logit or its probability; rounded as `doubt_of`."""
    x = outputs.scores.double()
    return rounded_doubt((1 - x).clamp_min(0) / x if outputs.from_probs else (-x).exp())
