"""Objective `bce`: one sigmoid a label."""

from __future__ import annotations

import torch

from calibench.stages import Batch
from calibench_methods.objectives.bce import BinaryCrossEntropy


def test_the_loss_is_the_sum_over_labels() -> None:
    x, y = torch.randn(6, 3, dtype=torch.float64), torch.randint(2, (6, 3))
    s = x.sigmoid()
    expected = -(y * s.log() + (1 - y) * (1 - s).log()).sum(dim=1).mean()
    batch = Batch(torch.empty(6), y, torch.arange(6))
    torch.testing.assert_close(BinaryCrossEntropy().loss(x, batch), expected)
