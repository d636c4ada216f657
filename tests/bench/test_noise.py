"""How busy the machine was: shares of time from two readings."""

from __future__ import annotations

import pytest

from calibench.bench import noise


def test_shares_of_time():
    start = noise.Ticks(total=100.0, idle=40.0, steal=1.0, this_process=5.0)
    end = noise.Ticks(total=120.0, idle=50.0, steal=2.0, this_process=9.0)
    # Of 20 s one was stolen and 9 were busy, 4 of them in this process.
    assert noise.between(start, end) == {"steal": 0.05, "others": 0.25}
    assert noise.between(None, end) == noise.between(end, end) == {"steal": None, "others": None}


def test_a_reading_of_this_machine():
    ticks = noise.ticks()
    if ticks is None:
        pytest.skip("no /proc/stat")
    assert ticks.total > ticks.idle >= 0
    assert ticks.this_process > 0
