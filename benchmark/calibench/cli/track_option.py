"""The option `--track NAME`: trackers that hear of each run."""

from __future__ import annotations

import click

track_option = click.option(
    "--track",
    multiple=True,
    metavar="NAME",
    help="Log each run to a tracker, as in tensorboard, wandb:project=NAME,mode=offline, mlflow:uri=sqlite:///runs.db. "
    "Repeatable. See 'list trackers'.",
)
