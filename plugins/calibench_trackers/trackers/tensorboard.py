"""`tensorboard`: an event file for each run, in a folder of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibench import Param, RunFacts, RunFinished, TrackerSpec
from calibench_trackers.needed import needed
from calibench_trackers.tracker import Tracker

SPEC = TrackerSpec(
    name="tensorboard",
    target=f"{__name__}:TensorBoard",
    summary="Event files for `tensorboard --logdir runs`: curves, hyper-parameters, figures, the record as text.",
    params=(Param("dir", "path", "runs", "the folder that gets a folder for each run"),),
)


class TensorBoard(Tracker):
    """Curves as `stage1/val_nll`, figures as `test/ece15`, and a line of the HPARAMS tab for each run."""

    def __init__(self, dir: str) -> None:  # noqa: A002 - as the user types it
        super().__init__()
        needed("tensorboard", "tensorboard")
        self.folder = Path(dir)

    def begin(self, run: RunFacts, settings: Mapping[str, Any]) -> Any:
        """A writer; points that an earlier try of the run left there are hidden."""
        writer = needed("torch.utils.tensorboard", "tensorboard").SummaryWriter(self.folder / run.run_id, purge_step=0)
        writer.add_text("config", _code(run.config))
        return writer, dict(settings)

    def point(self, log: Any, course: str, epoch: int, values: Mapping[str, float]) -> None:
        """Scalars with the epoch as step."""
        for name, value in values.items():
            log[0].add_scalar(f"{course}/{name}", value, epoch)

    def end(self, log: Any, finished: RunFinished, figures: Mapping[str, float]) -> None:
        """Scalars at step 0, the line of the HPARAMS tab, and the record."""
        writer, settings = log
        for name, value in figures.items():
            writer.add_scalar(name, value, 0)
        if finished.record is None:
            writer.add_text("error", finished.error)
        else:
            hparams = needed("torch.utils.tensorboard.summary", "tensorboard").hparams
            for summary in hparams(settings, dict(figures)):
                writer.file_writer.add_summary(summary)
            writer.add_text("record", _code(finished.record))
        writer.close()


def _code(document: Mapping[str, Any]) -> str:
    """A document as a block of code: an indented one, so that no text in it can end the block."""
    return "\n".join(f"    {line}" for line in json.dumps(document, indent=1).splitlines())
