"""`sigmoid-threshold`: every class by its own sigmoid against its own threshold."""

from typing import Any

import torch

from calibench import DecisionRule, InputError, Outputs
from calibench.decisions import Decisions
from calibench.kernels import sigmoid_threshold
from calibench.outputs import ABSTAIN


class SigmoidThreshold(DecisionRule):
    """The set `{k: 1 / (1 + exp(-x_k)) >= t_k}`; `t_k` is `value` for all, or `values[k]`.

    Where one class must be named, the most probable of the set answers, the lowest index among equals; an empty set
    abstains. Of probabilities, as a calibrator or an ensemble gives them, `p_k >= t_k` is asked.
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
        """InputError unless there is one threshold a class."""
        if self.per_class and len(self.thresholds) != num_classes:
            message = f"sigmoid-threshold: {len(self.thresholds)} values for {num_classes} classes"
            raise InputError(message, "give one threshold for each class, joined by ';'")

    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> Decisions:
        """The sets and their answers; the doubt is minus the largest logit or probability."""
        if outputs.from_probs:
            x = outputs.scores.double()
            sets = x >= torch.tensor(self.thresholds, dtype=outputs.scores.dtype, device=x.device).double()
        else:
            x = outputs.scores.double()
            sets = sigmoid_threshold(outputs.scores, self.thresholds).sets
        # By logit: sigmoids that round to one number still have an order.
        answers = x.where(sets, -torch.inf).argmax(dim=1).where(sets.any(dim=1), ABSTAIN)
        return Decisions(answers, sets=sets, doubt=-x.amax(dim=1), score="max-sigmoid")
