"""One process among several: its part of the rows, its random draws, and when there is nothing to join."""

from __future__ import annotations

import pytest
import torch

from calibench.processes import ALONE, Processes, joined
from calibench.seeds import seeded


def test_parts_hold_every_row_once() -> None:
    for size in range(1, 6):
        for n in range(20):
            parts = [list(range(n))[Processes(rank, size).part(n)] for rank in range(size)]
            assert [row for part in parts for row in part] == list(range(n))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_random_draws_differ_between_processes_and_steps() -> None:
    draws = set()
    for rank in range(3):
        for step in range(3):
            processes = Processes(rank, 3)
            processes.step = step
            with seeded(5):
                draws.add(float(processes.share(lambda: torch.rand(()), lambda: torch.zeros(()), 1, 1)))
                after = float(torch.rand(()))
            with seeded(5):
                assert after == float(torch.rand(())), "the stream that all processes share has not moved"
    assert len(draws) == 9


def test_without_torchrun_nothing_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert joined("cpu") is ALONE
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert joined("cpu") is ALONE
