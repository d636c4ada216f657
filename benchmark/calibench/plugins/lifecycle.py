"""The lifecycle of the run that this process makes, told to its listeners. Without listeners every function returns at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from calibench.plugins.events import EpochFinished, MetricComputed, RunFacts, StageFinished
from calibench.plugins.listeners import Listener


@dataclass(frozen=True)
class _Scope:
    """The run that goes on, its listeners, the stage that is being made and the member of an ensemble that it is of."""

    run: RunFacts
    listeners: Sequence[Listener]
    stage: str = ""
    member: int | None = None


_SCOPE: ContextVar[_Scope | None] = ContextVar("lifecycle", default=None)


@contextmanager
def telling(run: RunFacts, listeners: Sequence[Listener]) -> Iterator[None]:
    """Inside the block the functions below tell the listeners about `run`."""
    token = _SCOPE.set(_Scope(run, listeners))
    try:
        yield
    finally:
        _SCOPE.reset(token)


@contextmanager
def within(*, stage: str | None = None, member: int | None = None) -> Iterator[None]:
    """Inside the block events are of this stage, or of this member of an ensemble."""
    scope = _SCOPE.get()
    if scope is None:
        yield
        return
    changed = dataclasses.replace(
        scope, stage=scope.stage if stage is None else stage, member=scope.member if member is None else member
    )
    token = _SCOPE.set(changed)
    try:
        yield
    finally:
        _SCOPE.reset(token)


def epoch_finished(
    training: str, epoch: int, epochs: int, *, train_loss: float, val_nll: float, lr: Callable[[], float]
) -> None:
    """An epoch of a training has ended; `lr()` is the learning rate of its last step."""
    scope = _SCOPE.get()
    if scope is not None and _heard(scope, "calibench_epoch_finished"):
        event = EpochFinished(
            run=scope.run,
            stage=scope.stage,
            member=scope.member,
            training=training,
            epoch=epoch,
            epochs=epochs,
            train_loss=train_loss,
            val_nll=val_nll,
            lr=lr(),
        )
        tell_all(scope.listeners, "calibench_epoch_finished", event)


def stage_finished(
    stage: str,
    seconds: float,
    *,
    from_cache: bool = False,
    figures: Mapping[str, float] | None = None,
    curve: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """A stage has its result."""
    scope = _SCOPE.get()
    if scope is not None and _heard(scope, "calibench_stage_finished"):
        event = StageFinished(
            run=scope.run,
            stage=stage,
            member=scope.member,
            seconds=seconds,
            from_cache=from_cache,
            figures=dict(figures or {}),
            curve={name: tuple(values) for name, values in (curve or {}).items()},
        )
        tell_all(scope.listeners, "calibench_stage_finished", event)


def metrics_computed(
    metrics: Mapping[str, float | None],
    intervals: Mapping[str, Sequence[float] | None],
    noise_floor: Mapping[str, Mapping[str, float]],
    units: Mapping[str, Mapping[str, Any]],
) -> None:
    """Figures are computed: by name, as in a record."""
    scope = _SCOPE.get()
    if scope is None or not _heard(scope, "calibench_metric_computed"):
        return
    for name, value in metrics.items():
        ends, about = intervals.get(name), units.get(name, {})
        event = MetricComputed(
            run=scope.run,
            name=name,
            value=value,
            interval=None if ends is None else (float(ends[0]), float(ends[1])),
            noise_floor=noise_floor.get(name, {}).get("mean"),
            unit=str(about.get("unit", "")),
            better=str(about.get("better", "")),
        )
        tell_all(scope.listeners, "calibench_metric_computed", event)


def tell_all(listeners: Sequence[Listener], hook: str, event: Any) -> None:
    """Tell every listener, one after another."""
    for listener in listeners:
        listener.tell(hook, event)


def _heard(scope: _Scope, hook: str) -> bool:
    return any(hook in listener.functions for listener in scope.listeners)
