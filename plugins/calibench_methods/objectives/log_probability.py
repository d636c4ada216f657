"""The log-probability of each label, computed so that nothing is lost where the probability underflows to 0."""

from __future__ import annotations

from calibench.lazy import torch


def label_log_probs(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """`log softmax(logits)[y]`, `[n]` in nats, for logits `[n, K]` and class indices `[n]`; finite for finite logits."""
    return logits.log_softmax(dim=1).gather(1, labels[:, None]).squeeze(1)


def normalized_cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """`log p_y / sum_k log p_k`, `[n]` in [0, 1]: the cross-entropy divided by its sum over all labels (Ma et al., ICML 2020)."""
    log_p = logits.log_softmax(dim=1)
    return log_p.gather(1, labels[:, None]).squeeze(1) / log_p.sum(dim=1)


def reverse_cross_entropy(log_p: torch.Tensor, log_zero: float) -> torch.Tensor:
    """`-A (1 - p_y)`, `[n]` in nats, from `log p_y [n]`, with A for log 0; 1 - p_y is `-expm1(log p_y)`, exact near 0."""
    return log_zero * torch.expm1(log_p)
