"""The ECE that is shown while stage 1 trains is the ECE of the validation rows."""

from __future__ import annotations

import math

import pytest
import torch

from calibench.processes import ALONE
from calibench.recipe.streamed_ece import streamed_ece


def test_it_is_the_sum_over_bins_of_the_gaps() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(400, 5, generator=generator, dtype=torch.float64) * 3
    labels = torch.randint(5, (400,), generator=generator)
    confidence, answers = logits.softmax(dim=1).max(dim=1)
    bins = (confidence * 15).ceil().clamp(1, 15)
    gaps = [(confidence - (answers == labels).double())[bins == number].sum().abs() for number in range(1, 16)]
    assert streamed_ece(logits, labels, ALONE) == pytest.approx(float(sum(gaps)) / 400, abs=1e-12)


def test_it_is_nan_without_finite_rows() -> None:
    assert math.isnan(streamed_ece(torch.empty(0, 3), torch.empty(0, dtype=torch.int64), ALONE))
    assert math.isnan(streamed_ece(torch.full((2, 3), torch.inf), torch.tensor([0, 1]), ALONE))
