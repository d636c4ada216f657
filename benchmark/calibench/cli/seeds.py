"""The values of `--seed`: whole numbers, and ranges as `0-4`."""

from __future__ import annotations

import re

import click

MOST = 10_000
"""A longer range is a slip."""


def read_seeds(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> tuple[int, ...]:
    """The seeds that the texts name: `3` is 3, `0-4` is 0, 1, 2, 3, 4. BadParameter for anything else."""
    seeds: list[int] = []
    for text in texts:
        match = re.fullmatch(r"(-?\d+)(?:-(\d+))?", text.strip())
        if match is None:
            raise click.BadParameter(f"{text!r} is no whole number and no range such as 0-4", ctx, param)
        first, last = int(match[1]), int(match[2] or match[1])
        if not 0 <= last - first < MOST:
            raise click.BadParameter(f"{text!r} is no range of 1 to {MOST} seeds, such as 0-4", ctx, param)
        seeds += range(first, last + 1)
    return tuple(seeds)
