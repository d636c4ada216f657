"""`threshold`: answer where a class reaches its threshold, else abstain."""

from typing import Any

import torch

from calibench import DecisionRule, InputError, Outputs
from calibench.kernels import softmax_threshold
from calibench.outputs import ABSTAIN


class Threshold(DecisionRule):
    """The most probable class among those with `p_k >= t_k`; `t_k` is `value` for all, or `values[k]`."""

    def __init__(self, value: float, values: tuple[float, ...] | None) -> None:
        if values is not None and value != 0.5:
            raise InputError("threshold takes value (for all classes) or values (one a class), not both", "drop one")
        self.value = value
        self.values = values

    def check(self, num_classes: int) -> None:
        """InputError unless there is one threshold a class."""
        if self.values is not None and len(self.values) != num_classes:
            message = f"threshold: {len(self.values)} values for {num_classes} classes"
            raise InputError(message, "give one threshold for each class, joined by ';'")

    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> torch.Tensor:
        """Class indices `[N]`, -1 where no class passes."""
        values = [self.value] if self.values is None else self.values
        if not outputs.from_probs:
            return softmax_threshold(outputs.scores, values).prediction
        # A stored float32 0.7 is 0.69999999 and means 0.7.
        probs = outputs.scores.double()
        thresholds = torch.tensor(values, dtype=torch.float64).to(outputs.scores.dtype).double()
        passing = probs >= thresholds.to(probs.device)
        answer = probs.where(passing, -torch.inf).argmax(dim=1)
        return answer.where(passing.any(dim=1), ABSTAIN)
