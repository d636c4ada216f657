"""The option `--track NAME`: trackers that hear of each run."""

from __future__ import annotations

import click

from calibench.cli.complete_names import names_of

track_option = click.option(
    "--track",
    multiple=True,
    metavar="NAME",
    shell_complete=names_of("tracker"),
    help="Log each run to a tracker, as in tensorboard, wandb:project=NAME,mode=offline, mlflow:uri=sqlite:///runs.db. "
    "Repeatable. See 'list trackers'.",
)
