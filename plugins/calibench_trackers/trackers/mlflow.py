"""`mlflow`: a run of MLflow for each run."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from calibench import Param, RunFacts, RunFinished, TrackerSpec
from calibench_trackers.needed import needed
from calibench_trackers.tracker import Tracker

SPEC = TrackerSpec(
    name="mlflow",
    target=f"{__name__}:MLflow",
    summary="Runs of MLflow in a database file or on a server: parameters, curves, figures, the record as artefact.",
    params=(
        Param(
            "uri",
            "str",
            None,
            "sqlite:///FILE.db, or a server; not set: as MLFLOW_TRACKING_URI says, else MLflow's own",
        ),
        Param("experiment", "str", "calibench", "the experiment; it is made if it is not there"),
    ),
)

NOT_IN_NAMES = re.compile(r"[^\w\-. /:]")
"""What a name of MLflow may not hold."""

LONGEST = 500
"""Letters of a parameter's value."""

AT_ONCE = 100
"""Parameters of one request at most."""


class MLflow(Tracker):
    """Curves with the epoch as step, figures as metrics, `record.json` as artefact."""

    def __init__(self, uri: str | None, experiment: str) -> None:
        super().__init__()
        needed("mlflow", "mlflow")
        self.uri, self.experiment = uri, experiment

    def begin(self, run: RunFacts, settings: Mapping[str, Any]) -> Any:
        """A client and the id of a new run in the experiment."""
        tracking = needed("mlflow.tracking", "mlflow")
        client = tracking.MlflowClient(tracking_uri=self.uri)
        there = client.get_experiment_by_name(self.experiment)
        experiment = client.create_experiment(self.experiment) if there is None else there.experiment_id
        log = client.create_run(experiment, run_name=run.run_id, tags={"calibench.run_id": run.run_id}).info.run_id
        param = needed("mlflow.entities", "mlflow").Param
        params = [param(_name(key), str(value)[:LONGEST]) for key, value in settings.items()]
        for start in range(0, len(params), AT_ONCE):
            client.log_batch(log, params=params[start : start + AT_ONCE])
        return client, log

    def point(self, log: Any, course: str, epoch: int, values: Mapping[str, float]) -> None:
        """Metrics with the epoch as step."""
        _log(log, {f"{course}/{name}": value for name, value in values.items()}, epoch)

    def end(self, log: Any, finished: RunFinished, figures: Mapping[str, float]) -> None:
        """Figures, the record, and the status: FINISHED, FAILED or, after Ctrl-C, KILLED."""
        client, run = log
        _log(log, figures, 0)
        if finished.record is None:
            client.set_tag(run, "calibench.error", finished.error)
        else:
            client.log_dict(run, dict(finished.record), "record.json")
        failed = "KILLED" if finished.error == "interrupted" else "FAILED"
        client.set_terminated(run, failed if finished.error else "FINISHED")


def _log(log: Any, values: Mapping[str, float], step: int) -> None:
    client, run = log
    metric, now = needed("mlflow.entities", "mlflow").Metric, int(time.time() * 1000)
    client.log_batch(run, metrics=[metric(_name(name), float(value), now, step) for name, value in values.items()])


def _name(text: str) -> str:
    """The text in the letters that names of MLflow may have."""
    return NOT_IN_NAMES.sub("_", text)
