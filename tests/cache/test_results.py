"""Results of stages: each counts its own seconds, and comes back from the cache as it was made."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from calibench.cache.results import StageResult, StageResults
from calibench.cache.stage_cache import StageCache


def test_seconds_leave_out_results_that_were_made_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 4.0, 6.0])
    results = StageResults(StageCache(None))

    def outer() -> StageResult:
        results.get_or_make("inner", "a", lambda: StageResult({}, {}))
        return StageResult({}, {})

    with monkeypatch.context() as patch:
        patch.setattr(time, "perf_counter", lambda: next(clock))
        results.get_or_make("outer", "b", outer)
    assert results.timings == {"inner": 3.0, "outer": 3.0}


def test_a_result_from_the_cache_is_the_one_that_was_made_and_counts_its_seconds(tmp_path: Path) -> None:
    result = StageResult({"a": torch.ones(2)}, {"epoch": 3.0}, {"rate": [0.25, "x"]})
    before, after = StageResults(StageCache(tmp_path)), StageResults(StageCache(tmp_path))
    before.get_or_make("stage1", "key", lambda: result)
    cached = after.get_or_make("stage1", "key", lambda: pytest.fail("it is in the cache"))
    assert torch.equal(cached.tensors["a"], torch.ones(2))
    assert (cached.figures, cached.learned) == ({"epoch": 3.0}, {"rate": [0.25, "x"]})
    assert after.timings == before.timings
