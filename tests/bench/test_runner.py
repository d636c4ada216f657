"""The runner: turns, budgets, warm-ups, repeated and scaled calls, failures. The clock is faked."""

from __future__ import annotations

import itertools

import pytest
from bench_toys import timed, toy

from calibench.bench import runner
from calibench.bench.case import OURS, Contender

pytestmark = pytest.mark.usefixtures("one_thread")


def test_each_round_runs_all_contenders_once_in_rotated_order():
    assert list(runner.schedule(4, [4, 4, 4])) == [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]


@pytest.mark.parametrize(("rounds", "counts"), [(20, [20, 7, 1, 3, 0]), (5, [5, 5]), (3, [1, 2, 3, 3])])
def test_the_schedule_keeps_its_counts_and_spreads_them(rounds, counts):
    turns = list(runner.schedule(rounds, counts))
    assert len(turns) == rounds
    for i, count in enumerate(counts):
        rounds_of_i = [r for r, turn in enumerate(turns) if i in turn]
        assert len(rounds_of_i) == count == sum(turn.count(i) for turn in turns)
        gaps = {b - a for a, b in itertools.pairwise(rounds_of_i)}
        assert not gaps or max(gaps) - min(gaps) <= 1


def test_calls_alternate_and_warm_ups_are_not_timed(clock):
    delays = iter([7.0])  # the very first call takes 7 s longer

    def first_is_slow(x, y):
        clock.now += next(delays, 0.0)
        return clock.takes("a", 1.0)(x, y)

    case = toy(Contender("a", first_is_slow), Contender("b", clock.takes("b", 1.0)))
    a, b = timed(case)
    assert a.seconds == b.seconds == [1.0] * 4
    assert "".join(clock.calls[-8:]) == "abbaabba"


def test_a_contender_beyond_the_budget_gets_fewer_rounds(clock):
    times = {"fast": 0.125, "slow": 1.0, "slower": 2.5, "slowest": 9.0}
    timings = timed(toy(*(Contender(n, clock.takes(n, s)) for n, s in times.items())), rounds=20, budget=5.0)
    assert [len(timing.seconds) for timing in timings] == [20, 5, 3, 1]
    assert [timing.quartiles is None for timing in timings] == [False, False, False, True]
    assert timings[3].median == 9.0


def test_a_short_call_is_repeated_and_averaged(clock):
    (timing,) = timed(toy(Contender("short", clock.takes("short", 2**-12))))
    assert timing.calls == 205  # 50 ms / 0.244 ms, rounded up
    assert timing.seconds == [2**-12] * 4


def test_the_times_of_a_part_of_the_work_are_scaled(clock):
    (timing,) = timed(toy(Contender("part", clock.takes("part", 0.5), scale=20.0)))
    assert timing.median == 10.0
    assert timing.quartiles == (10.0, 10.0)
    assert timing.seconds == [0.5] * 4


def test_a_slow_contender_is_warmed_up_on_a_smaller_shape(clock):
    shapes = []

    def slow(x, y):
        shapes.append(tuple(x.shape))
        clock.now += x.numel()  # 12 s on the case
        return {"figure": 1.0}

    (timing,) = timed(toy(Contender("slow", slow, warm=(2, 1))))
    assert shapes == [(2, 1), (2, 1), (4, 3)]
    assert timing.seconds == [12.0]
    assert timing.figures == {"figure": 1.0}


def test_a_failing_contender_does_not_stop_the_others(clock):
    def broken(x, y):
        raise RuntimeError("no such thing")

    ours, bad = timed(toy(Contender(OURS, clock.takes("ours", 1.0)), Contender("bad", broken)))
    assert len(ours.seconds) == 4
    assert bad.seconds == []
    assert bad.median is None
    assert bad.error.startswith("RuntimeError: no such thing (test_runner.py:")
