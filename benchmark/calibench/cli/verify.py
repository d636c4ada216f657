"""`calibench verify PATH`: recompute stored figures, and compare digests, ids and labels."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from calibench.cli.command import Command
from calibench.cli.file_options import results_to_read
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.output import print_line, stdout, warn_about_broken_plugins

if TYPE_CHECKING:
    from calibench.runs.verify import Verified


@click.command(cls=Command, short_help="Recompute every figure of stored runs, and compare.")
@click.argument("path", metavar="FOLDER|URL", callback=results_to_read, default="results")
@json_option
@click.option(
    "--strict", is_flag=True, help="What cannot be compared is a fault too, and so is a missing run of a suite."
)
@click.option("-q", "--quiet", is_flag=True, help="Print faults alone.")
def verify(path: Path, as_json: bool, strict: bool, quiet: bool) -> None:
    """Recompute every metric, interval and noise floor of the records in FOLDER from their predictions, and compare.

    Digests, ids, names, splits and suites are compared too, and labels where the data are here. The exit code is 1 if something
    differs.

    \b
    calibench verify results
    calibench verify leaderboards/quick-v1 --strict
    calibench verify leaderboards/digits --json
    """
    from calibench.plugins.discovery import registry
    from calibench.records.failed_cells import FILE
    from calibench.runs.verify import verify as verified_records

    warn_about_broken_plugins(registry())
    found = []
    for looked_at in verified_records(path):
        verified = looked_at
        if strict:
            verified = dataclasses.replace(looked_at, faults=[*looked_at.faults, *looked_at.unseen], unseen=[])
        found.append(verified)
        if not as_json:
            _print(verified, quiet)
    faulty = sum(bool(verified.faults) for verified in found)
    found_records = [verified for verified in found if verified.path.name != FILE and verified.path.suffix]
    if as_json:
        records = [{"file": str(v.path), "faults": v.faults, "not_compared": v.unseen} for v in found]
        emit_json({"schema": "calibench.verify/1", "records": records})
    elif not quiet or faulty:
        whole = sum(not verified.faults and not verified.unseen for verified in found_records)
        print_line(stdout(), f"{len(found_records)} records: {faulty} with faults, {whole} equal in everything")
    if faulty:
        raise click.exceptions.Exit(1)


def _print(verified: Verified, quiet: bool) -> None:
    lines = [f"fault: {text}" for text in verified.faults]
    lines += [] if quiet else [f"not compared: {text}" for text in verified.unseen]
    for line in lines:
        print_line(stdout(), f"{verified.path.name}: {line}")
