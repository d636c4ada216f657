"""`calibench report`: the page of one stored run."""

from __future__ import annotations

from pathlib import Path

import click

from calibench.cli.command import Command
from calibench.cli.file_options import results_option
from calibench.cli.output import to_stderr


@click.command(cls=Command, short_help="Write a page about one stored run.")
@click.argument("run", metavar="RUN|FILE")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OUT.html",
    help="The page to write.",
)
@results_option
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def report(run: str, output: Path, results: Path, quiet: bool) -> None:
    """Write one self-contained page about a stored run: verdict, figures, pictures, classes, parameters, how to make it again.

    RUN is the id of a run, or the beginning of it; FILE is a record. Pictures come from the predictions beside the record.

    \b
    calibench report digits-mlp-ce-s0 -o ce.html
    calibench report results/records/digits-mlp-ce-s0-45be9a2b0bb6.json -o ce.html
    """
    from calibench.runs.site import write_report

    path = write_report(run, output, results)
    if not quiet:
        to_stderr(f"wrote {path}")
