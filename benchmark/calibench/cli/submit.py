"""`calibench submit`: the files of a leaderboard's entries, from runs in a results folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from calibench.cli.command import Command
from calibench.cli.file_options import results_option
from calibench.cli.output import print_line, stdout, to_stderr

if TYPE_CHECKING:
    from calibench.records.failed_cells import FailedCell
    from calibench.records.record import ResultRecord


@click.command(cls=Command, short_help="Write the files of leaderboard entries.")
@click.argument("run_ids", metavar="[RUN_ID...]", nargs=-1)
@click.option("--suite", metavar="NAME", help="All runs of this suite that the results folder has.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder to write into."
)
@results_option
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def submit(run_ids: tuple[str, ...], suite: str | None, output: Path, results: Path, quiet: bool) -> None:
    """Write each run's record and its test predictions, from which every figure follows, for a pull request.

    With --suite the runs that failed are kept too, with their reasons, in failed.json.

    The files of the folder are verified before the command ends: a fault gives exit code 1.

    \b
    calibench submit --suite quick-v1 -o leaderboards/quick-v1
    calibench submit digits-mlp-ce-s0 -o leaderboards/digits
    """
    from calibench.errors import InputError
    from calibench.records.failed_cells import FILE
    from calibench.records.store import RECORDS
    from calibench.runs.submit import submit as write
    from calibench.runs.verify import verify

    if bool(run_ids) == (suite is not None):
        raise InputError("name runs, or a suite, one of them", "as in calibench submit --suite quick-v1 -o FOLDER")
    records = _of_suite(suite, results) if suite is not None else _of_ids(run_ids, results)
    failed = _failed_of_suite(suite, results) if suite is not None else []
    there = {path.stem for path in (output / RECORDS).glob("*.json")}
    written = write(records, results, output, failed)
    ids = {record.run_id for record in written} | {Path(FILE).stem}
    faulty = [verified for verified in verify(output) if verified.path.stem in ids and verified.faults]
    for verified in faulty:
        to_stderr(f"{verified.path.name}: {verified.faults[0]}")
    if not quiet:
        kept = f", {len(failed)} failed runs" if failed else ""
        replaced = len(there & {record.run_id for record in written})
        kept += f", {replaced} of them in place of older ones" if replaced else ""
        kept += f", beside {len(there) - replaced} that were there" if len(there) > replaced else ""
        print_line(stdout(), f"{output}: {len(written)} records{kept}, {len(faulty)} with faults")
    if faulty:
        raise click.exceptions.Exit(1)


def _of_suite(name: str, results: Path) -> list[ResultRecord]:
    from calibench.config.suite import load_suite
    from calibench.leaderboard.suite_runs import runs_of_suite
    from calibench.records.store import read_records

    return runs_of_suite(load_suite(name), read_records(results), results)


def _failed_of_suite(name: str, results: Path) -> list[FailedCell]:
    from calibench.config.suite import load_suite
    from calibench.runs.submit import failed_of

    return failed_of(load_suite(name), results)


def _of_ids(run_ids: tuple[str, ...], results: Path) -> list[ResultRecord]:
    from calibench.records.find import find_record_by_id

    return [find_record_by_id(results, run_id) for run_id in run_ids]
