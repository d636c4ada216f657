"""`calibench leaderboard`: rank what has been run."""

from __future__ import annotations

from pathlib import Path

import click

from calibench.cli.output import stdout, to_stderr


@click.command()
@click.option(
    "--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Where records are."
)
@click.option("--metric", default="ece15", show_default=True, help="What to rank by.")
@click.option("--columns", metavar="A,B", help="Metrics to show.")
@click.option(
    "--format", "kind", type=click.Choice(["table", "markdown", "csv", "json"]), default="table", show_default=True
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, whole or not at all."
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
def leaderboard(results: Path, metric: str, columns: str | None, kind: str, output: Path | None, as_json: bool) -> None:
    """Rank the records under a results folder: one board for each dataset, model and noise.

    \b
    calibench leaderboard --metric nll
    calibench leaderboard --format markdown --output board.md
    """
    from calibench.atomic import replacing, writable_folder
    from calibench.leaderboard.boards import boards
    from calibench.records.store import read_records
    from calibench.report import tables as report

    found = boards(read_records(results), results, metric)
    wanted = [name.strip() for name in columns.split(",") if name.strip()] if columns else []
    kind = "json" if as_json else kind
    for board in found:
        report.columns_of(board, wanted)
    if output is not None:
        writable_folder(output.parent)
        with replacing(output) as temporary:
            temporary.write_text(report.render(found, kind, wanted), encoding="utf-8")
        to_stderr(f"wrote {output}")
    elif kind == "table":
        console = stdout()
        for board in found:
            console.print(report.board_table(board, wanted, console.width))
    else:
        click.echo(report.render(found, kind, wanted), nl=False)
