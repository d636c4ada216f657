"""The base of the trackers: lifecycle events become the start of a log, its points, and its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calibench import EpochFinished, RunFacts, RunFinished, RunStarted, StageFinished, hookimpl
from calibench_trackers.flat import figures_of, settings_of

SERIES = ("train_loss", "val_nll")


class Tracker:
    """One log a run, by its run id. A run that was stored already is not logged again.

    A subclass writes `begin`, `point` and `end`. Epochs of a stage that came from the cache, or that ran before a kill, are
    logged when the stage has its result.
    """

    def __init__(self) -> None:
        self.logs: dict[str, Any] = {}
        """What `begin` returned, for each run that goes on."""
        self._seen: set[tuple[str, str, int]] = set()

    def begin(self, run: RunFacts, settings: Mapping[str, Any]) -> Any:
        """Open the log of a run; returns what `point` and `end` need. `settings` are flat: `vtst.latent_dim`."""
        raise NotImplementedError

    def point(self, log: Any, course: str, epoch: int, values: Mapping[str, float]) -> None:
        """Add the values of one epoch; `course` names the training, as in `stage1`."""
        raise NotImplementedError

    def end(self, log: Any, finished: RunFinished, figures: Mapping[str, float]) -> None:
        """Add the figures (`test/ece15`, `test/ece15_low`, ...) and the record, and close the log."""
        raise NotImplementedError

    @hookimpl
    def calibench_run_started(self, event: RunStarted) -> None:
        """Open the log."""
        self.logs[event.run.run_id] = self.begin(event.run, settings_of(event.run, event.n))

    @hookimpl
    def calibench_epoch_finished(self, event: EpochFinished) -> None:
        """Add the losses of the epoch and its learning rate."""
        course = _course(event.stage, event.member)
        if event.stage not in {"stage1", "stage2"}:  # it may train several networks
            course = f"{course}/{event.training.replace(',', '')}"
        values = {"train_loss": event.train_loss, "val_nll": event.val_nll, "lr": event.lr}
        self._add(event.run.run_id, course, event.epoch, values)

    @hookimpl
    def calibench_stage_finished(self, event: StageFinished) -> None:
        """Add the epochs that no event told of."""
        course = _course(event.stage, event.member)
        for epoch, values in enumerate(zip(*(event.curve.get(name, ()) for name in SERIES), strict=True), 1):
            if (event.run.run_id, course, epoch) not in self._seen:
                self._add(event.run.run_id, course, epoch, dict(zip(SERIES, values, strict=True)))

    @hookimpl
    def calibench_run_finished(self, event: RunFinished) -> None:
        """Add the figures and the record, and close the log."""
        run_id = event.run.run_id
        if run_id in self.logs:
            self._seen = {seen for seen in self._seen if seen[0] != run_id}
            self.end(self.logs.pop(run_id), event, {} if event.record is None else figures_of(event.record))

    def _add(self, run_id: str, course: str, epoch: int, values: Mapping[str, float]) -> None:
        if run_id in self.logs:
            self._seen.add((run_id, course, epoch))
            self.point(self.logs[run_id], course, epoch, values)


def _course(stage: str, member: int | None) -> str:
    return stage if member is None else f"member{member}/{stage}"
