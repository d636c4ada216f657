"""Classes that the samples to fit a calibrator on do not have: the fit must not make them impossible."""

from __future__ import annotations

from dataclasses import replace

from calibench.lazy import torch
from calibench.outputs.outputs import Outputs

KEPT = "classes_kept"
"""The learned value that lists classes without samples to fit on, whose probabilities stay as they are."""

COLLAPSE = 0.1
"""A map that lowers the mean probability of an absent class below this share of itself has learned that it cannot occur."""


def collapsed_classes(before: Outputs, after: Outputs, labels: torch.Tensor) -> list[int]:
    """The classes that no label has, and whose mean probability the map lowers to less than a tenth."""
    if before.labels_per_sample > 1:
        return []
    absent = torch.bincount(labels, minlength=before.num_classes) == 0
    if not bool(absent.any()):
        return []
    lowered = after.probs().mean(dim=0).cpu() < COLLAPSE * before.probs().mean(dim=0).cpu()
    return [int(place) for place in torch.nonzero(absent & lowered).flatten()]


def with_probabilities_of(before: Outputs, after: Outputs, classes: list[int]) -> Outputs:
    """`after`, with the probabilities of `classes` as `before`, and those of all others scaled so that rows sum to 1."""
    kept = torch.zeros(before.num_classes, dtype=torch.bool, device=before.scores.device)
    kept[classes] = True
    old, new = before.probs(), after.plain().logits().log_softmax(dim=1)
    share = old[:, kept].sum(dim=1, keepdim=True).clamp(max=1)
    others = new.masked_fill(kept, -torch.inf).log_softmax(dim=1) + (1 - share).clamp_min(1e-300).log()
    scores = torch.where(kept, old.clamp_min(1e-300).log(), others)
    return replace(after, scores=scores.exp() if after.from_probs else scores, one_vs_rest=False)
