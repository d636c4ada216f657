"""The lifecycle hooks: a plugin that implements one hears of every run. Each docstring holds a plugin that can be pasted.

All take one argument, `event`, which an implementation may leave out. What they return is ignored. An error in one never ends
a run: a warning names it once, with its plugin. torch's, numpy's and Python's global random generators are put back after each
call, so that a listener that draws changes no figure. The hooks fire in the process that makes the run. Of the processes of
torchrun only the first calls them.
"""

from __future__ import annotations

from calibench.plugins.events import (
    EpochFinished,
    MetricComputed,
    RunFinished,
    RunStarted,
    StageFinished,
    SweepCellFinished,
)
from calibench.plugins.hookspecs import hookspec


@hookspec
def calibench_run_started(event: RunStarted) -> None:
    """A run starts. A run that is stored already does not start: `calibench_run_finished` alone tells of it.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_run_started(event):
        with open("runs.log", "a") as log:
            log.write(f"{event.run.run_id} starts on {event.n['train']} rows\\n")
    ```
    """


@hookspec
def calibench_epoch_finished(event: EpochFinished) -> None:
    """An epoch of a training has ended. A stage that comes from the cache has no epochs here; its curve is in its event.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_epoch_finished(event):
        with open("epochs.csv", "a") as log:
            log.write(f"{event.training},{event.epoch},{event.train_loss:.5f},{event.val_nll:.5f},{event.lr:g}\\n")
    ```
    """


@hookspec
def calibench_stage_finished(event: StageFinished) -> None:
    """A stage has its result.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_stage_finished(event):
        with open("stages.log", "a") as log:
            log.write(f"{event.stage} {'from the cache' if event.from_cache else f'{event.seconds:.1f} s'}\\n")
    ```
    """


@hookspec
def calibench_metric_computed(event: MetricComputed) -> None:
    """A figure is computed, with its interval.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_metric_computed(event):
        if event.name == "ece15" and event.interval is not None:
            low, high = event.interval
            with open("ece.log", "a") as log:
                log.write(f"{event.run.run_id} {event.value:.4f} [{low:.4f}, {high:.4f}]\\n")
    ```
    """


@hookspec
def calibench_run_finished(event: RunFinished) -> None:
    """A run has ended: with its record, with an error, or because it was stored already.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_run_finished(event):
        with open("runs.log", "a") as log:
            log.write(f"{event.run.run_id} {event.error or event.record['verdict']}\\n")
    ```
    """


@hookspec
def calibench_sweep_cell_finished(event: SweepCellFinished) -> None:
    """A run of `calibench sweep` has ended, in the process of the sweep.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_sweep_cell_finished(event):
        with open("sweep.log", "a") as log:
            log.write(f"{event.done}/{event.total} {event.recipe}, seed {event.seed}: {event.error or event.run_id}\\n")
    ```
    """
