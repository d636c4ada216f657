"""The head of `feature-clipping`: the last layer on clipped features."""

from __future__ import annotations

import torch
from torch import nn


class ClippedHead(nn.Module):
    """`linear(clip(f, -c, c))`; c is the buffer `threshold`, infinite until it is fitted."""

    threshold: torch.Tensor

    def __init__(self, feature_size: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(feature_size, num_classes)
        self.register_buffer("threshold", torch.tensor(float("inf")))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Logits `[n, K]` of features `[n, D]`."""
        logits: torch.Tensor = self.linear(torch.clamp(features, -self.threshold, self.threshold))
        return logits
