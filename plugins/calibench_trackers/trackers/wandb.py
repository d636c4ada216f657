"""`wandb`: a run of Weights & Biases for each run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from calibench import Param, RunFacts, RunFinished, TrackerSpec
from calibench_trackers.needed import needed
from calibench_trackers.tracker import Tracker

SPEC = TrackerSpec(
    name="wandb",
    target=f"{__name__}:WeightsAndBiases",
    summary="Runs of Weights & Biases, also without a network (`mode=offline`, then `wandb sync`).",
    params=(
        Param("project", "str", "calibench", "the project"),
        Param("entity", "str", None, "the user or team"),
        Param("group", "str", None, "the group of the runs"),
        Param(
            "mode", "str", None, "not set: as WANDB_MODE says, else online", choices=("online", "offline", "disabled")
        ),
        Param("dir", "path", None, "the folder that gets the folder wandb; not set: the current one"),
    ),
)


class WeightsAndBiases(Tracker):
    """Curves against their epoch, figures in the summary, the record as an artefact of the type `record`."""

    def __init__(self, project: str, entity: str | None, group: str | None, mode: str | None, dir: str | None) -> None:  # noqa: A002
        super().__init__()
        self.wandb = needed("wandb", "wandb")
        self.place = {"project": project, "entity": entity, "group": group, "mode": mode, "dir": dir}

    def begin(self, run: RunFacts, settings: Mapping[str, Any]) -> Any:
        """A run with the settings as its configuration; it captures no output."""
        quiet = self.wandb.Settings(console="off", silent=True)
        log = self.wandb.init(name=run.run_id, config=dict(settings), reinit="create_new", settings=quiet, **self.place)
        return log, set[str]()

    def point(self, log: Any, course: str, epoch: int, values: Mapping[str, float]) -> None:
        """A row of history; the axis of its curves is the epoch of their training."""
        run, courses = log
        axis = f"{course}/epoch"
        if course not in courses:
            courses.add(course)
            run.define_metric(axis)
            run.define_metric(f"{course}/*", step_metric=axis)
        run.log({f"{course}/{name}": value for name, value in values.items()} | {axis: epoch})

    def end(self, log: Any, finished: RunFinished, figures: Mapping[str, float]) -> None:
        """The summary, the artefact, and the exit code: 1 for a run that failed."""
        run, _ = log
        run.summary.update(dict(figures))
        if finished.record is None:
            run.summary["error"] = finished.error
        else:
            run.summary["verdict"] = finished.record["verdict"]
            artefact = self.wandb.Artifact(f"record-{_name(finished.run.run_id)}", type="record")
            with artefact.new_file("record.json", encoding="utf-8") as file:
                json.dump(finished.record, file, indent=1)
            run.log_artifact(artefact)
        run.finish(exit_code=1 if finished.error else 0)


def _name(run_id: str) -> str:
    """The run id in the letters that names of artefacts may have."""
    return "".join(char if char.isalnum() or char in "-_." else "-" for char in run_id)[-100:]
