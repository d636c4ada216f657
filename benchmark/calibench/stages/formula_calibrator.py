"""FormulaCalibrator: a calibrator whose map is its formula, so that it needs no `apply` of its own."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from calibench.outputs.outputs import Outputs
from calibench.stages.calibrator import Calibrator
from calibench.stages.formula import Scores


class FormulaCalibrator(Calibrator):
    """A calibrator that states `formula`; `apply` computes it by torch in float64, on the device of the outputs."""

    @abstractmethod
    def formula(self, scores: Scores, fitted: dict[str, Any]) -> Scores:
        """The mapped scores, of the same shape."""

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """The formula's logits or probabilities."""
        mapped = self.formula(torch_scores(outputs), fitted)
        return Outputs(mapped.values, mapped.from_probs)


def torch_scores(outputs: Outputs) -> Scores:
    """Outputs as scores of a formula, in float64."""
    from calibench.stages.torch_ops import TorchOps

    ops = TorchOps(outputs.scores.device)
    if outputs.one_vs_rest:
        return Scores(ops, outputs.logits(), outputs.num_classes)
    return Scores(ops, outputs.scores.double(), outputs.num_classes, outputs.from_probs)
