"""Times contenders in turns: each round runs every one once, in a rotated order, so that a busy minute hits them alike."""

from __future__ import annotations

import gc
import math
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

import torch

from calibench.bench.case import Case, Contender, Figures, Inputs

SHORTEST = 50e-3
"""Seconds that one timing lasts at least: a faster contender is called several times in a row, and the mean is taken.

So what the contender before it left in the caches and did to the clock weighs little, whoever comes next.
"""

MOST_CALLS = 1000

FEWEST = 3
"""Rounds of a contender whose call fits into the budget: fewer make no median. One that does not fit runs once."""

Report = Callable[[int, int, str], None]


@dataclass
class Timing:
    """What one contender took; `seconds` are per call, one entry a round, before scaling."""

    contender: Contender
    seconds: list[float] = field(default_factory=list)
    calls: int = 1
    figures: Figures = field(default_factory=dict)
    error: str | None = None

    @property
    def median(self) -> float | None:
        """Seconds of the whole work, scaled where a call does a part of it; None without a timing."""
        return self.contender.scale * median(self.seconds) if self.seconds else None

    @property
    def quartiles(self) -> tuple[float, float] | None:
        """First and third quartile in seconds; None for fewer than three rounds."""
        if len(self.seconds) < FEWEST:
            return None
        low, _, high = quantiles(self.seconds, n=4, method="inclusive")
        return self.contender.scale * low, self.contender.scale * high


def schedule(rounds: int, counts: Sequence[int]) -> Iterator[list[int]]:
    """Who runs in each round, in order: contender i in `counts[i]` rounds spread evenly, the order rotated by one a round."""
    order = list(range(len(counts)))
    for r in range(rounds):
        turn = r % max(len(order), 1)
        yield [i for i in order[turn:] + order[:turn] if (r + 1) * counts[i] // rounds > r * counts[i] // rounds]


def time_case(
    case: Case,
    inputs: Inputs,
    contenders: Sequence[Contender],
    rounds: int,
    budget: float,
    report: Report | None = None,
) -> list[Timing]:
    """Warms up, then times all contenders of a case on its `inputs`, which none may change.

    A contender takes part in `rounds` rounds, or in as many as fit into `budget` seconds. One that raises is left out,
    with its error. Figures are taken from the first call on the case, outside the timings.
    """
    timings = [Timing(contender) for contender in contenders]
    settle = _settle(case.device)
    if any(contender.compiled for contender in contenders):
        torch.compiler.reset()  # else shapes pile up, and past eight of them torch runs the function uncompiled
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # peers warn on every call
        needs = [_warm_up(timing, case, inputs, budget, settle) for timing in timings]
        counts = [_count(need, rounds, budget) for need in needs]
        for timing, need in zip(timings, needs, strict=True):
            timing.calls = 1 if need is None else min(MOST_CALLS, max(1, math.ceil(SHORTEST / max(need, 1e-9))))
        total, done = sum(counts), 0
        with _no_collection():
            for turn in schedule(rounds, counts):
                for i in turn:
                    if report is not None:
                        report(done, total, timings[i].contender.name)
                    _time(timings[i], inputs, settle)
                    done += 1
                gc.collect()
    return timings


def _warm_up(timing: Timing, case: Case, inputs: Inputs, budget: float, settle: Callable[[], None]) -> float | None:
    """Seconds that a call will take, judged by the last warm-up call; None where one raised."""
    contender = timing.contender
    if contender.compiled:  # for these very shapes
        _guarded(timing, inputs, settle, keep=False)
    else:  # imports, threads, caches
        _guarded(timing, case.inputs(case.warm_shape(contender)), settle, keep=False)
    if timing.error is not None:
        return None
    if contender.warm is None:
        return _guarded(timing, inputs, settle, keep=True)
    seconds = _guarded(timing, case.inputs(case.warm_shape(contender)), settle, keep=False)
    return None if seconds is None else seconds * math.prod(case.shape) / math.prod(case.warm_shape(contender))


def _count(need: float | None, rounds: int, budget: float) -> int:
    if need is None:
        return 0
    if need > budget:
        return 1
    return min(rounds, max(FEWEST, int(budget / max(need, 1e-9))))


def _time(timing: Timing, inputs: Inputs, settle: Callable[[], None]) -> None:
    if timing.error is not None:
        return
    seconds = _guarded(timing, inputs, settle, keep=not timing.figures, calls=timing.calls)
    if seconds is not None:
        timing.seconds.append(seconds)


def _guarded(timing: Timing, inputs: Inputs, settle: Callable[[], None], keep: bool, calls: int = 1) -> float | None:
    """Seconds a call; a contender that raises gets its error written down, and None."""
    try:
        result, seconds = _call(timing.contender, inputs, settle, calls)
        if keep:
            timing.figures = timing.contender.figures(result)
    except Exception as error:  # a peer may raise whatever it likes
        last = traceback.extract_tb(error.__traceback__)[-1]
        words = " ".join(str(error).split())[:300]
        timing.error = f"{type(error).__name__}: {words} ({last.filename.rpartition('/')[2]}:{last.lineno})"
        return None
    return seconds


def _call(contender: Contender, inputs: Inputs, settle: Callable[[], None], calls: int) -> tuple[Any, float]:
    run = contender.run
    settle()
    start = time.perf_counter()
    for _ in range(calls):
        result = run(*inputs)
    settle()
    return result, (time.perf_counter() - start) / calls


def _settle(device: torch.device) -> Callable[[], None]:
    """Waits for the device, so that a timing holds the work and not only its launch."""
    if device.type == "cuda":
        return torch.cuda.synchronize
    return lambda: None


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection inside a timing, as in timeit; the runner collects between rounds what they left."""
    was = gc.isenabled()
    gc.disable()
    gc.collect()
    gc.freeze()  # what is there already is not searched again: with torch imported that takes .2 s each time
    try:
        yield
    finally:
        gc.unfreeze()
        if was:
            gc.enable()
