"""`sigmoid-threshold`: every class by its own sigmoid against its own threshold."""

from __future__ import annotations

from typing import Any

from calibench import DecisionRule, InputError, MethodSpec, Outputs, Param
from calibench.lazy import torch
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import ABSTAIN
from calibench.outputs.several_labels import label_scores

SPEC = MethodSpec(
    name="sigmoid-threshold",
    kind="decision",
    target=f"{__name__}:SigmoidThreshold",
    summary="Every class whose own sigmoid reaches its threshold: a set, for multi-label or one-against-rest outputs.",
    params=(
        Param("value", "float", 0.5, "one threshold for all classes", "probability", minimum=0, maximum=1),
        Param(
            "values",
            "floats",
            None,
            "a threshold for each class, or label, as 0.2;0.4;0.4",
            "probability",
            minimum=0,
            maximum=1,
        ),
    ),
    equation="set = {k : 1 / (1 + exp(-x_k)) >= t_k}; answer = argmax over the set of x_k, or abstain when it is empty",
    paper="M.-L. Zhang, Z.-H. Zhou, A Review on Multi-Label Learning Algorithms, IEEE TKDE 26(8), 2014 (binary relevance)",
    deviations=(
        "one class must be named where labels are single: the most probable of the set, the lowest index among equals",
        "risk-coverage curve by the largest sigmoid",
        "probabilities, as a calibrator or an ensemble gives them, are compared as they are",
    ),
)


class SigmoidThreshold(DecisionRule):
    """The set `{k: 1 / (1 + exp(-x_k)) >= t_k}`; `t_k` is `value` for all, or `values[k]`.

    Where one class must be named, the most probable of the set answers, the lowest index among equals; an empty set
    abstains. Of probabilities, as a calibrator or an ensemble gives them, `p_k >= t_k` is asked. Of several labels a row,
    label k is answered yes (1) where it passes and no (0) where it does not.
    """

    one_vs_rest = True

    def __init__(self, value: float = 0.5, values: tuple[float, ...] | None = None) -> None:
        if values is not None and value != 0.5:
            raise InputError(
                "sigmoid-threshold takes value (for all classes) or values (one a class), not both", "drop one"
            )
        self.thresholds = (value,) if values is None else values
        self.per_class = values is not None

    def check(self, num_classes: int) -> None:
        """InputError unless there is one threshold a class, or a label."""
        if self.per_class and len(self.thresholds) != num_classes:
            message = f"sigmoid-threshold: {len(self.thresholds)} values for {num_classes} classes or labels"
            raise InputError(message, "give one threshold for each class or label, joined by ';'")

    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> Decisions:
        """The sets and their answers; the uncertainty is minus the largest logit or probability."""
        if outputs.labels_per_sample > 1:
            return Decisions(self._passing(label_scores(outputs), outputs.from_probs).flatten().long())
        sets, x = self._passing(outputs.scores, outputs.from_probs), outputs.scores.double()
        # By logit: sigmoids that round to one number still have an order.
        answers = x.where(sets, -torch.inf).argmax(dim=1).where(sets.any(dim=1), ABSTAIN)
        return Decisions(answers, sets=sets, uncertainty=-x.amax(dim=1), score="max-sigmoid")

    def _passing(self, scores: torch.Tensor, from_probs: bool) -> torch.Tensor:
        from calibench.kernels import sigmoid_threshold

        if not from_probs:
            return sigmoid_threshold(scores, self.thresholds).sets
        limits = torch.tensor(self.thresholds, dtype=scores.dtype, device=scores.device)
        return scores.double() >= limits.double()
