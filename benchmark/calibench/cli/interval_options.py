"""The options `--level` and `--resamples`, which `run` and `evaluate` share."""

from __future__ import annotations

import click

level_option = click.option(
    "--level", type=float, default=0.95, show_default=True, help="The level of the intervals, as a fraction."
)
resamples_option = click.option(
    "--resamples",
    type=int,
    default=1000,
    show_default=True,
    help="The number of bootstrap resamples for the intervals, from 1000 on; 0, where stored outputs are judged: figures alone.",
)
