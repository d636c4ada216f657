"""Outputs of a classifier, logits or probabilities, with labels; decisions; files of stored outputs."""

from calibench.outputs.outputs import ABSTAIN, Outputs, average

__all__ = ["ABSTAIN", "Outputs", "average"]
