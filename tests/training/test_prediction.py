"""Prediction goes in parts: on a CPU as many rows at once as fit its cache."""

from __future__ import annotations

import torch
from torch import nn

from calibench.training.prediction import predict


class CountsRows(nn.Module):
    """Returns the first two numbers of each row, and notes how many rows it gets at once."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.rows.append(len(x))
        return x.flatten(1)[:, :2]


def rows_at_once(x: torch.Tensor) -> list[int]:
    module = CountsRows()
    assert torch.equal(predict(module, x), x.flatten(1)[:, :2])
    return module.rows


def test_prediction_goes_in_parts_that_fit_the_cache() -> None:
    images = torch.arange(300 * 3072, dtype=torch.float32).view(300, 3, 32, 32)
    assert rows_at_once(images) == [130, 130, 40]
    assert rows_at_once(torch.zeros(3000, 64)) == [1024, 1024, 952]
    assert rows_at_once(torch.zeros(40, 3, 600, 600)) == [32, 8]
