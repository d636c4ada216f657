"""The options that name a results folder, and a file of predicted rows to write."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click


def results_to_read(_context: click.Context, _parameter: click.Parameter, value: str) -> Path:
    """The folder that `value` names; of a URL its mirror, brought up to date. InputError for a URL that cannot be read."""
    if "://" not in value:
        return Path(value)
    from calibench.records.remote import fetch_results

    return fetch_results(value)


def _results_to_write(_context: click.Context, _parameter: click.Parameter, value: str) -> Path:
    if "://" in value:
        from calibench.errors import InputError

        raise InputError(f"--results {value}: this command writes to a folder", "calibench sweep takes a URL")
    return Path(value)


_RESULTS: dict[str, Any] = {"default": "results", "show_default": True}

results_option = click.option(
    "--results",
    **_RESULTS,
    callback=results_to_read,
    metavar="FOLDER|URL",
    help="The folder with records, predictions and the cache, or a URL such as s3://bucket/results.",
)

written_results_option = click.option(
    "--results",
    **_RESULTS,
    callback=_results_to_write,
    metavar="FOLDER",
    help="The folder for records, predictions and the cache.",
)


def _take_limit(_context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    """The limit for this process and those that it starts. InputError for what is no size."""
    if value is None:
        return
    from calibench.files.memory_limit import VARIABLE, read_size

    read_size(value, "--max-memory")
    os.environ[VARIABLE] = value


max_memory_option = click.option(
    "--max-memory",
    metavar="SIZE",
    callback=_take_limit,
    expose_value=False,
    is_eager=True,
    help="The most memory that reading one file may take, as 8GB. Default: CALIBENCH_MAX_MEMORY, else half of what is free.",
)

rows_output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="OUT",
    help="The file to write: .npz, .csv or .parquet.",
)
