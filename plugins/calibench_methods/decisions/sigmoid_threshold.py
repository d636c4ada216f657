"""`sigmoid-threshold`: compares the sigmoid of every class with a threshold."""

from __future__ import annotations

from typing import Any

from calibench import DecisionRule, InputError, MethodSpec, Outputs
from calibench.lazy import torch
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import ABSTAIN
from calibench.outputs.several_labels import label_scores
from calibench_methods.decisions.parameters import VALUE, values_param

SPEC = MethodSpec(
    name="sigmoid-threshold",
    kind="decision",
    target=f"{__name__}:SigmoidThreshold",
    summary="The set of classes whose sigmoid reaches its threshold, for multi-label or one-vs-rest outputs.",
    params=(VALUE, values_param("a threshold for each class, or label")),
    equation="set = {k : 1 / (1 + exp(-x_k)) >= t_k}; answer = argmax over the set of x_k, or abstain when it is empty",
    use_when="rows have several labels, or bce gave each class a sigmoid of its own",
    avoid_when="the network has a softmax: threshold is the rule for it",
    cost="one comparison a class; nothing is fitted",
    paper="M.-L. Zhang, Z.-H. Zhou, A Review on Multi-Label Learning Algorithms, IEEE TKDE 26(8), 2014 (binary relevance)",
    deviations=(
        "if rows have one label, the answer is the most probable class of the set, the lowest index among equals",
        "the risk-coverage curve ranks samples by the largest sigmoid",
        "probabilities, such as those of a calibrator or an ensemble, are compared with the thresholds directly",
    ),
)


class SigmoidThreshold(DecisionRule):
    """The set `{k: 1 / (1 + exp(-x_k)) >= t_k}`; `t_k` is `value` for all, or `values[k]`.

    With one label per row, the answer is the most probable class of the set, the lowest index among equals; an empty set
    abstains. Probabilities, such as those of a calibrator or an ensemble, are compared directly: `p_k >= t_k`. With several
    labels per row, the answer to label k is yes (1) if it reaches its threshold, else no (0).
    """

    one_vs_rest = True

    def __init__(self, value: float = 0.5, values: tuple[float, ...] | None = None) -> None:
        if values is not None and value != 0.5:
            message = "sigmoid-threshold takes value (for all classes) or values (one per class), not both"
            raise InputError(message, "drop one of them")
        self.thresholds = (value,) if values is None else values
        self.per_class = values is not None

    def check(self, num_classes: int) -> None:
        """InputError unless there is one threshold per class, or per label."""
        if self.per_class and len(self.thresholds) != num_classes:
            message = f"sigmoid-threshold: {len(self.thresholds)} values for {num_classes} classes or labels"
            raise InputError(message, "give one threshold for each class or label, joined by ';'")

    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> Decisions:
        """The sets and the answers; the uncertainty is minus the largest logit or probability."""
        if outputs.labels_per_sample > 1:
            return Decisions(self._reached(label_scores(outputs), outputs.from_probs).flatten().long())
        sets, x = self._reached(outputs.scores, outputs.from_probs), outputs.scores.double()
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
