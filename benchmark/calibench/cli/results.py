"""`calibench results`: the records of a folder as one flat table, for pandas, DuckDB or a spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from calibench.cli.command import Command
from calibench.cli.file_options import results_option
from calibench.cli.output import stdout, to_stderr

if TYPE_CHECKING:
    from calibench.leaderboard.record_rows import Row

KEEP = ("faults", "dataset", "seed", "brier", "accuracy", "ece15", "nll", "calibrated", "noise", "model")
"""Those that a narrow terminal loses, the last one first."""


@click.command(cls=Command, short_help="All records of a folder as one flat table.")
@results_option
@click.option("--where", "condition", metavar="TEXT", help="As 'dataset=digits and (ece15<0.02 or not seed=0)'.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    help="Default: that of the ending of -o, else table.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, whole or not at all."
)
def results(results: Path, condition: str | None, form: str | None, output: Path | None) -> None:
    """A row a run: what it was, its verdict, and each metric with the ends of its interval, as fractions and nats.

    \b
    calibench results --where "dataset=digits and ece15<0.02"
    calibench results --format csv
    calibench results -o runs.parquet
    """
    from calibench.errors import InputError
    from calibench.leaderboard.results import results as results_of

    form = form or ("table" if output is None else output.suffix.lower().removeprefix("."))
    if output is not None and form not in ("csv", "json", "parquet"):
        raise InputError(f"cannot write {str(output)!r} as {form or 'nothing'}", "name a .csv, .json or .parquet")
    if form == "parquet" and output is None:
        raise InputError("a parquet needs a file to be written to", "add -o runs.parquet")
    rows = results_of(results, condition)
    if output is not None:
        _write(rows, form, output)
        to_stderr(f"wrote {output}: {len(rows)} runs")
    elif form == "table":
        _print(rows)
    else:
        click.echo(_text(rows, form), nl=False)


def _text(rows: Sequence[Row], form: str) -> str:
    import csv
    import io
    import json

    from calibench.leaderboard.record_rows import columns_of
    from calibench.report.format import guarded, json_text

    if form == "json":
        return (
            json_text(json.dumps({"schema": "calibench.results/1", "runs": list(rows)}, indent=1, ensure_ascii=False))
            + "\n"
        )
    made = io.StringIO(newline="")
    writer = csv.DictWriter(made, columns_of(rows), lineterminator="\n")
    writer.writerow({name: guarded(name) for name in writer.fieldnames})
    writer.writerows({name: guarded(value) for name, value in row.items()} for row in rows)
    return made.getvalue()


def _write(rows: Sequence[Row], form: str, output: Path) -> None:
    from calibench.atomic import refuse_missing_folder, replacing
    from calibench.outputs.writers.write_parquet import import_pyarrow

    refuse_missing_folder(output)
    if form == "parquet":
        pyarrow = import_pyarrow()
        from pyarrow import parquet

        from calibench.leaderboard.record_rows import columns_of

        table = pyarrow.table({name: [row.get(name) for row in rows] for name in columns_of(rows)})
        with replacing(output) as temporary:
            parquet.write_table(table, temporary)
        return
    with replacing(output) as temporary:
        temporary.write_text(_text(rows, form), encoding="utf-8", newline="")


def _print(rows: Sequence[Row]) -> None:
    from calibench.leaderboard.results import FAULTS, SHOWN
    from calibench.report.board_table import table_of
    from calibench.report.fit_width import fitted
    from calibench.report.format import printable
    from calibench.report.grid import Column

    names = [name for name in SHOWN if name != FAULTS or any(row.get(FAULTS) for row in rows)]
    numbers = {name for name in names for row in rows if isinstance(row.get(name), int | float)}
    columns = [
        Column(
            name,
            name,
            tuple(printable(_shown(row.get(name))) for row in rows),
            left=name not in numbers,
            keep=-KEEP.index(name) if name in KEEP else float("inf"),
        )
        for name in names
    ]
    console = stdout()
    kept, left_out = fitted(columns, ("recipe", "dataset", "model"), console.width)
    lines = ["figures as fractions and nats; --format csv has every column"]
    lines += [f"no room for {', '.join(left_out)}"] if left_out else []
    console.print(table_of(f"{len(rows)} runs", kept, lines, [""] * len(rows)))


def _shown(value: object) -> str:
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
