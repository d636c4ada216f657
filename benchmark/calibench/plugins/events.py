"""The events that lifecycle hooks get: small frozen records of what happened in a run. They hold plain values, no tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is known of a run before it trains. Every event but `SweepCellFinished` holds it as `run`."""

    run_id: str
    """The name of the run's files, as in the record."""
    recipe: str
    """The stages in order, as the user may type them: `ce:epochs=3+temperature`."""
    dataset: str
    """The dataset and its parameters, as the user may type them."""
    model: str
    """The network and its parameters, as the user may type them."""
    noise: str | None
    """The noise on the training labels; None: there is none."""
    seed: int
    """The run's seed."""
    config: Mapping[str, Any] = field(repr=False)
    """The whole configuration, as the record's `config`."""
    results: str | None
    """The results folder; None: nothing is written."""


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """A run starts: its data are read, its parts are checked, and nothing is trained."""

    run: RunFacts
    """The run, as below."""
    n: Mapping[str, int]
    """The number of samples of each split."""


@dataclass(frozen=True, kw_only=True)
class EpochFinished:
    """An epoch of one training has ended, and the val split was judged."""

    run: RunFacts
    """The run, as below."""
    stage: str
    """The stage that trains, as in the record's `timings_s`: `stage1`, `stage2`, `outoffold`, `sampler`."""
    member: int | None
    """The number of an ensemble's network; None: the recipe has no ensemble."""
    training: str
    """The training in words, as progress shows it: `stage 1, ce`. A stage may train several networks."""
    epoch: int
    """The epoch that ended, from 1. A training that resumes begins with a later one."""
    epochs: int
    """The most epochs that the training may take."""
    train_loss: float
    """The mean loss of the training rows during the epoch."""
    val_nll: float
    """The NLL of the val split after the epoch, in nats."""
    lr: float
    """The learning rate of the epoch's last step."""


@dataclass(frozen=True, kw_only=True)
class StageFinished:
    """A stage has its result: trained or computed now, or taken from the cache."""

    run: RunFacts
    """The run, as below."""
    stage: str
    """As in the record's `timings_s`: `stage1`, `features`, `stage2`, `posthoc`, `judge` and others."""
    member: int | None
    """The number of an ensemble's network; None: the recipe has no ensemble, or the stage is one of all members."""
    seconds: float
    """The seconds that the result took; those of its training also if it came from the cache."""
    from_cache: bool
    """True if the result was there already."""
    figures: Mapping[str, float]
    """Figures of a training: the kept `epoch` and its validation NLL, the last epoch. Empty for other stages."""
    curve: Mapping[str, tuple[float, ...]] = field(repr=False)
    """`train_loss` and `val_nll`, a number an epoch, from epoch 1; empty for a stage that trains no epochs."""


@dataclass(frozen=True, kw_only=True)
class MetricComputed:
    """A figure of the test split, or of its shifts and OOD sets, is computed."""

    run: RunFacts
    """The run, as below."""
    name: str
    """The metric, as in the record's `metrics`: `ece15`, `shift_nll_rotation`."""
    value: float | None
    """The figure, in `unit`; None: it is undefined."""
    interval: tuple[float, float] | None
    """The ends of its interval, in `unit`; None: there is none."""
    noise_floor: float | None
    """The mean score of a perfectly calibrated model with the same probabilities; None: the metric has no floor."""
    unit: str
    """`fraction`, `nats` and others."""
    better: str
    """`lower` or `higher`."""


@dataclass(frozen=True, kw_only=True)
class RunFinished:
    """A run has ended: with its record, or with an error."""

    run: RunFacts
    """The run, as below."""
    record: Mapping[str, Any] | None = field(repr=False)
    """The record as its JSON document; None: the run failed."""
    error: str
    """The message of the error that ended the run; empty: it has its record."""
    there_already: bool
    """True for a run that was stored: no other event of it fires."""
    seconds: float
    """Seconds of wall clock of this run, now."""
    record_file: str | None
    """The path of the record; None: nothing was written."""
    predictions_file: str | None
    """The path of the stored scores, labels and replicates; None: there is none."""


@dataclass(frozen=True, kw_only=True)
class SweepCellFinished:
    """A run of a sweep has ended. It fires in the process of the sweep; the run's own events fire where the run is made."""

    sweep: str
    """The name of the suite."""
    recipe: str
    """The stages in order, as the user may type them."""
    dataset: str
    """The dataset and its parameters."""
    model: str
    """The network and its parameters."""
    noise: str | None
    """The noise on the training labels; None: there is none."""
    seed: int
    """The run's seed."""
    run_id: str
    """The run; empty if it failed."""
    error: str
    """The message of the error that ended the run; empty: it has its record."""
    there_already: bool
    """True if another sweep or command had made the run."""
    seconds: float | None
    """Seconds of the run in its worker; None: it failed."""
    done: int
    """Runs of the sweep that have ended, with those that had a record before."""
    total: int
    """Runs of the sweep."""


EVENTS: dict[str, type] = {
    "calibench_run_started": RunStarted,
    "calibench_epoch_finished": EpochFinished,
    "calibench_stage_finished": StageFinished,
    "calibench_metric_computed": MetricComputed,
    "calibench_run_finished": RunFinished,
    "calibench_sweep_cell_finished": SweepCellFinished,
}
"""The lifecycle hooks, each with the type of its argument `event`."""
