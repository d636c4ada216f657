"""`comet`: an experiment of Comet for each run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from calibench import Param, RunFacts, RunFinished, TrackerSpec
from calibench_trackers.needed import needed
from calibench_trackers.tracker import Tracker

SPEC = TrackerSpec(
    name="comet",
    target=f"{__name__}:Comet",
    summary="Experiments of Comet, also without a network (`mode=offline`, then `comet upload`).",
    params=(
        Param("project", "str", "calibench", "the project"),
        Param("workspace", "str", None, "the workspace"),
        Param("mode", "str", "online", "online asks for COMET_API_KEY", choices=("online", "offline")),
        Param("dir", "path", "comet", "the folder of the archives of `mode=offline`"),
    ),
)

OFF = (
    *("log_code", "log_graph", "log_env_details", "log_git_metadata", "log_git_patch", "parse_args"),
    *("auto_output_logging", "auto_metric_logging", "auto_param_logging", "auto_log_co2"),
)
"""What Comet would log by itself."""


class Comet(Tracker):
    """Curves with the epoch as step, figures, and the record as an asset. Comet's own logging of code and output is off."""

    def __init__(self, project: str, workspace: str | None, mode: str, dir: str) -> None:  # noqa: A002 - as the user types it
        import logging  # here: listing names imports this module

        super().__init__()
        self.comet = needed("comet_ml", "comet")
        logging.getLogger("comet_ml").setLevel(logging.ERROR)  # it says a lot about what it does not do here
        self.place = {"project_name": project, "workspace": workspace}
        self.folder = dir if mode == "offline" else None

    def begin(self, run: RunFacts, settings: Mapping[str, Any]) -> Any:
        """An experiment with the settings as its parameters."""
        off = dict.fromkeys(OFF, False) | {"display_summary_level": 0}
        if self.folder is None:
            experiment = self.comet.Experiment(**self.place, **off)
        else:
            experiment = self.comet.OfflineExperiment(**self.place, **off, offline_directory=self.folder)
        experiment.set_name(run.run_id)
        experiment.log_parameters(dict(settings))
        return experiment

    def point(self, log: Any, course: str, epoch: int, values: Mapping[str, float]) -> None:
        """Metrics with the epoch as step."""
        log.log_metrics({f"{course}/{name}": value for name, value in values.items()}, step=epoch)

    def end(self, log: Any, finished: RunFinished, figures: Mapping[str, float]) -> None:
        """Figures, the record as `record.json`, or the error."""
        log.log_metrics(dict(figures))
        if finished.record is None:
            log.log_other("error", finished.error)
        else:
            log.log_asset_data(json.dumps(finished.record, indent=1), name="record.json")
        log.end()
