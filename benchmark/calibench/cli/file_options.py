"""The options that name a results folder, and a file of predicted rows to write."""

from __future__ import annotations

from pathlib import Path

import click


def results_to_read(_context: click.Context, _parameter: click.Parameter, value: str) -> Path:
    """The folder that `value` names; of a URL its mirror, brought up to date. InputError for a URL that cannot be read."""
    from calibench.records.remote import fetch_results, is_url

    return fetch_results(value) if is_url(value) else Path(value)


def _results_to_write(_context: click.Context, _parameter: click.Parameter, value: str) -> Path:
    from calibench.errors import InputError
    from calibench.records.remote import is_url

    if is_url(value):
        raise InputError(f"--results {value}: this command writes to a folder", "calibench sweep takes a URL")
    return Path(value)


results_option = click.option(
    "--results",
    callback=results_to_read,
    default="results",
    metavar="FOLDER|URL",
    show_default=True,
    help="The folder with records, predictions and the cache, or a URL such as s3://bucket/results.",
)

written_results_option = click.option(
    "--results",
    callback=_results_to_write,
    default="results",
    metavar="FOLDER",
    show_default=True,
    help="The folder for records, predictions and the cache.",
)

rows_output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="OUT",
    help="The file to write: .npz, .csv or .parquet.",
)
