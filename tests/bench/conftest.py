"""Puts this folder on the path, and a clock that only contenders move."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bench_toys import Clock


@pytest.fixture
def clock(monkeypatch):
    """The clock of the runner, which stands still unless a contender of `clock.takes` runs."""
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    return clock
