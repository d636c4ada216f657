"""The log-probability of each label, computed so that nothing is lost where the probability underflows to 0."""

from __future__ import annotations

from calibench.lazy import torch


def label_log_probs(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """`log softmax(logits)[y]`, `[n]` in nats, for logits `[n, K]` and class indices `[n]`; finite for finite logits."""
    return logits.log_softmax(dim=1).gather(1, labels[:, None]).squeeze(1)
