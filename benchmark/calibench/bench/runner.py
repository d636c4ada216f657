"""Times contenders in turns: each round runs all of them once, in rotated order, so that a busy minute slows all alike."""

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
"""Seconds that a timing lasts at least: a faster contender is called several times in a row, and the mean is taken.

So the state in which the contender before it left caches and clock weighs little.
"""

MOST_CALLS = 1000

FEWEST = 3
"""Least rounds of a contender whose call fits into the budget: fewer make no median. One that does not fit runs once."""

Report = Callable[[int, int, str], None]


@dataclass
class Timing:
    """Times of a contender; `seconds` are per call, one entry per round, before scaling."""

    contender: Contender
    seconds: list[float] = field(default_factory=list)
    calls: int = 1
    figures: Figures = field(default_factory=dict)
    error: str | None = None

    @property
    def median(self) -> float | None:
        """Seconds of the whole work, scaled if a call does a part of it; None without a timing."""
        return self.contender.scale * median(self.seconds) if self.seconds else None

    @property
    def quartiles(self) -> tuple[float, float] | None:
        """First and third quartile in seconds; None for fewer than three rounds."""
        if len(self.seconds) < FEWEST:
            return None
        low, _, high = quantiles(self.seconds, n=4, method="inclusive")
        return self.contender.scale * low, self.contender.scale * high


def schedule(rounds: int, counts: Sequence[int]) -> Iterator[list[int]]:
    """The contenders of each round, in order: contender i is in `counts[i]` rounds, spread evenly; each round rotates by one."""
    order = list(range(len(counts)))
    for r in range(rounds):
        first = r % max(len(order), 1)
        yield [i for i in order[first:] + order[:first] if (r + 1) * counts[i] // rounds > r * counts[i] // rounds]


def time_case(
    case: Case,
    inputs: Inputs,
    contenders: Sequence[Contender],
    rounds: int,
    budget: float,
    report: Report | None = None,
) -> list[Timing]:
    """Warms up, then times all contenders of a case on its `inputs`, which no contender may change.

    A contender takes part in `rounds` rounds, or in as many as fit into `budget` seconds. One that raises an error is left
    out, and its `Timing` holds the error. Figures come from the first call on the case, outside the timings.
    """
    timings = [Timing(contender) for contender in contenders]
    settle = _settle(case.device)
    if any(contender.compiled for contender in contenders):
        torch.compiler.reset()  # shapes would pile up, and past eight of them torch runs the function uncompiled
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # peers warn on every call
        estimates = [_warm_up(timing, case, inputs, settle) for timing in timings]
        for timing, seconds in zip(timings, estimates, strict=True):
            timing.calls = _calls(seconds)
        counts = [_count(seconds, rounds, budget) for seconds in estimates]
        _time_in_turns(timings, inputs, list(schedule(rounds, counts)), settle, report or (lambda *_: None))
    return timings


def _time_in_turns(
    timings: Sequence[Timing],
    inputs: Inputs,
    turns: Sequence[list[int]],
    settle: Callable[[], None],
    report: Report,
) -> None:
    total, done = sum(map(len, turns)), 0
    with _no_collection():
        for turn in turns:
            for i in turn:
                report(done, total, timings[i].contender.name)
                _time(timings[i], inputs, settle)
                done += 1
            gc.collect()


def _warm_up(timing: Timing, case: Case, inputs: Inputs, settle: Callable[[], None]) -> float | None:
    """Seconds that a call will take, by the last warm-up call; None if a call raised an error."""
    contender = timing.contender
    if contender.compiled:  # it compiles for these very shapes
        _guarded(timing, inputs, settle, keep=False)
    else:  # the first call imports modules, starts threads and fills caches
        _guarded(timing, case.inputs(case.warm_shape(contender)), settle, keep=False)
    if timing.error is not None:
        return None
    if contender.warm is None:
        return _guarded(timing, inputs, settle, keep=True)
    seconds = _guarded(timing, case.inputs(case.warm_shape(contender)), settle, keep=False)
    return None if seconds is None else seconds * math.prod(case.shape) / math.prod(case.warm_shape(contender))


def _calls(seconds: float | None) -> int:
    """Calls in a row that make up a timing, if one call takes `seconds`."""
    return 1 if seconds is None else min(MOST_CALLS, max(1, math.ceil(SHORTEST / max(seconds, 1e-9))))


def _count(seconds: float | None, rounds: int, budget: float) -> int:
    """Rounds of a contender whose call takes `seconds`; None, of one that failed, gives 0."""
    if seconds is None:
        return 0
    if seconds > budget:
        return 1
    return min(rounds, max(FEWEST, int(budget / max(seconds, 1e-9))))


def _time(timing: Timing, inputs: Inputs, settle: Callable[[], None]) -> None:
    if timing.error is not None:
        return
    seconds = _guarded(timing, inputs, settle, keep=not timing.figures, calls=timing.calls)
    if seconds is not None:
        timing.seconds.append(seconds)


def _guarded(timing: Timing, inputs: Inputs, settle: Callable[[], None], keep: bool, calls: int = 1) -> float | None:
    """Seconds per call; if the contender raises an error, `timing` stores it and the result is None."""
    try:
        result, seconds = _call(timing.contender, inputs, settle, calls)
        if keep:
            timing.figures = timing.contender.figures(result)
    except Exception as error:  # a peer may raise any error
        last = traceback.extract_tb(error.__traceback__)[-1]
        message = " ".join(str(error).split())[:300]
        timing.error = f"{type(error).__name__}: {message} ({last.filename.rpartition('/')[2]}:{last.lineno})"
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
    """A call that waits for the device, so that a timing includes the work and not only its launch."""
    if device.type == "cuda":
        return torch.cuda.synchronize
    return lambda: None


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage collection inside a timing, as in timeit; the runner collects between rounds."""
    was_enabled = gc.isenabled()
    gc.disable()
    gc.collect()
    gc.freeze()  # later collections skip the objects of now: with torch imported, searching them takes .2 s each time
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
