"""The wall-clock gate fails only far beyond the spread of the machine."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
import wallclock
from gate_repository import EQUAL, Repository, needs_compiler, needs_source


def simulated(head: float, noise: float, seed: int, drift: float = 0.0, number: int = 5) -> list[wallclock.Timing]:
    """Timings of a case that takes 1 us (the head `head` us), with this scatter of a run; each run is `drift` slower."""
    random = np.random.default_rng(seed)
    run = count()

    def timed(driver: str) -> dict[str, float]:
        scatter = float(np.exp(noise * random.standard_normal()))
        return {"case": 1000.0 * (head if driver == "head" else 1.0) * scatter * (1 + drift * next(run))}

    return wallclock.timings([wallclock.one_block(timed) for _ in range(number)])


def test_it_fails_only_far_beyond_its_own_spread() -> None:
    for seed in range(200):
        assert simulated(2.0, 0.02, seed)[0].failed, seed
        assert not simulated(1.0, 0.02, seed)[0].failed, seed
        assert not simulated(1.0, 0.5, seed)[0].failed, seed  # a machine that is useless for timing
        assert not simulated(1.4, 0.001, seed)[0].failed, seed  # real, but a matter for the instruction gate
        assert not simulated(1.6, 0.4, seed)[0].failed, seed  # cannot be told from noise


def test_drift_cancels() -> None:
    (timing,) = simulated(1.0, 0.0, 0, drift=0.1)
    assert timing.ratio == pytest.approx(1.0, abs=1e-12)
    assert timing.copies == pytest.approx([1.0] * 5, abs=1e-12)


def test_one_good_block_is_enough_to_pass() -> None:
    slow = wallclock.Timing("case", 1000.0, (3.0, 3.0, 3.0, 3.0, 3.0), (1.0,) * 5)
    assert slow.failed
    assert not wallclock.Timing("case", 1000.0, (3.0, 3.0, 0.99, 3.0, 3.0), (1.0,) * 5).failed
    assert "FAILED" in wallclock.table([slow])


@needs_source
@needs_compiler
def test_two_commits_are_compared(repository: Repository, capsys) -> None:
    repository.write(EQUAL)  # --time prints the loops, so the machine's load has no influence
    repository.commit()
    repository.write(EQUAL | {"long": ("b2", 20_000), "added": ("c3", 10)})
    repository.commit()
    assert wallclock.gate(blocks=2, root=repository.root) == 1
    output = capsys.readouterr().out
    assert "FAILED, far slower than A/A explains: long" in output
    assert "2 cases, 2 blocks" in output
    assert "added" not in output
