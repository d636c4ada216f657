"""Outputs of a classifier (logits or probabilities), decisions, uncertainty scores, and readers of stored outputs."""

from calibench.outputs.outputs import ABSTAIN, Outputs, average

__all__ = ["ABSTAIN", "Outputs", "average"]
