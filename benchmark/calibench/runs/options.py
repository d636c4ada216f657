"""RunOptions: where a run reads and writes, and whether it may use a stored result, and which figures it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from calibench.metrics.bootstrap import DEFAULT_SAMPLING, Sampling


@dataclass(frozen=True)
class RunOptions:
    """`results` None writes nothing. `data_dir` None means CALIBENCH_DATA, or ~/.cache/calibench/data."""

    results: Path | None = None
    force: bool = False
    """Run again from the start, even if the run is stored."""
    data_dir: Path | str | None = None
    download: bool = False
    """Fetch a published dataset that is not in the data folder."""
    metrics: str | None = None
    """Metrics that the record holds besides the default set, as in `smece,ece:bins=20`."""
    sampling: Sampling = DEFAULT_SAMPLING
    """The bootstrap of the intervals."""
    remote: str | None = None
    """The URL of results whose mirror is `results`: each run is copied there as it ends."""
    wait: bool = True
    """Wait for another process that makes the same run; False raises `RunBusyError`."""
    track: tuple[str, ...] = ()
    """Trackers that hear of each run, as in `tensorboard:dir=runs`."""
