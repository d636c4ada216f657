"""What most objectives start from: log-probabilities that lose nothing where a probability underflows to 0."""

from __future__ import annotations

from calibench.lazy import torch


def of_labels(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """`log softmax(logits)[y]`, `[n]` in nats, of logits `[n, K]` and class indices `[n]`; finite for finite logits."""
    return logits.log_softmax(dim=1).gather(1, labels[:, None]).squeeze(1)
