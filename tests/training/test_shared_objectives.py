"""Which objectives processes may share a batch of: exactly those whose batch loss is the mean of its rows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from calibench.config.resolve import resolve
from calibench.plugins.discovery import registry
from calibench.stages import Batch, TrainTask
from calibench.stages.build import build_stage

TOGETHER = {"mixup", "co-teaching", "elr", "sop", "dividemix", "mmce", "mdca"}
"""Objectives that look at rows together, or remember them."""

OBJECTIVES = sorted(e.spec.name for e in registry().all("method") if getattr(e.spec, "kind", "") == "objective")


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_that_may_be_split_is_the_mean_of_its_rows(name: str) -> None:
    objective = build_stage(resolve(name).objective)
    assert objective.can_split() == (name not in TOGETHER)
    if name in TOGETHER:
        return
    generator = torch.Generator().manual_seed(0)
    n, k = 300, 4
    y = torch.randint(k, (n,), generator=generator)
    logits = torch.randn(n, k, generator=generator, dtype=torch.float64) + 3 * nn.functional.one_hot(y, k)
    probs = (logits * 0.9).softmax(dim=1) if objective.folds else None
    if name == "cleanlab":
        pytest.importorskip("cleanlab")
    objective.check(k)
    objective.prepare(TrainTask(y, k, 5, probs, lambda: nn.Linear(2, k)))
    objective.begin_epoch(2)
    objective.end_epoch(logits, y)
    rows = torch.arange(7)
    parts = [rows[:3], rows[3:]]

    def loss(of: torch.Tensor) -> torch.Tensor:
        return objective.loss(logits[of], Batch(logits[of], y[of], of))

    torch.testing.assert_close(loss(rows), sum(loss(p) * len(p) for p in parts) / len(rows), rtol=1e-10, atol=1e-12)
