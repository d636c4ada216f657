"""`calibench winrates FILE`: a table of published results as a board of win rates."""

from __future__ import annotations

from pathlib import Path

import click

from calibench.cli.command import Command
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.output import stdout


@click.command(cls=Command, short_help="Rank the methods of a table of published results.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--method", default="method", show_default=True, metavar="COLUMN", help="The column of the methods.")
@click.option("--task", required=True, metavar="COLUMN,...", help="The columns that together name a task.")
@click.option("--metric", required=True, metavar="COLUMN", help="The column of the figure that decides who wins.")
@click.option(
    "--better",
    type=click.Choice(["lower", "higher"]),
    default="lower",
    show_default=True,
    help="The better direction of --metric.",
)
@click.option(
    "--group",
    metavar="COLUMN,...",
    help="The columns that name the data set of a task; the bootstrap draws whole data sets. Default: the first of --task.",
)
@click.option(
    "--mean-over", metavar="COLUMN,...", help="Average within each value of these columns first, then over the values."
)
@click.option(
    "--where", multiple=True, metavar="COLUMN=PATTERN,...", help="Only lines whose cell matches a pattern. May repeat."
)
@click.option("--without", multiple=True, metavar="COLUMN=PATTERN,...", help="No lines whose cell matches. May repeat.")
@click.option("--level", type=float, default=0.95, show_default=True, help="The joint level of the rank intervals.")
@click.option(
    "--tolerance", type=float, default=1e-6, show_default=True, help="Win rates that differ by less are equal."
)
@click.option("--resamples", type=click.IntRange(100, 100_000), default=2000, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seeds the bootstrap.")
@json_option
def winrates(  # noqa: PLR0913 - an argument for each option
    file: Path,
    method: str,
    task: str,
    metric: str,
    better: str,
    group: str | None,
    mean_over: str | None,
    where: tuple[str, ...],
    without: tuple[str, ...],
    level: float,
    tolerance: float,
    resamples: int,
    seed: int,
    as_json: bool,
) -> None:
    """Rank the methods of a table of results (.csv, .csv.gz; one line for each method and task) by win rate.

    A method's win rate is the share of the other methods that it beats on a task, averaged over tasks. A blank cell scores 0.

    \b
    calibench winrates results.csv --task dataset,model --metric brier
    calibench winrates results.csv.gz --task dataset,model --metric brier \\
        --where 'benchmark=*-binary' --mean-over benchmark --without 'method=CB*'
    """
    from calibench.errors import InputError
    from calibench.leaderboard.results_table import read_results
    from calibench.leaderboard.win_rates import Bootstrap, Layout, win_rates
    from calibench.report.win_rates_table import win_rates_document, win_rates_table

    columns = _names(task)
    if not columns:
        raise InputError("--task names no column", "write dataset,model, for instance")
    table = read_results(file).where(where).where(without, keep=False)
    layout = Layout(method, columns, metric, _names(group), _names(mean_over), better)
    board = win_rates(table, layout, Bootstrap(level, tolerance, resamples, seed))
    if as_json:
        emit_json(win_rates_document(board))
    else:
        console = stdout()
        console.print(win_rates_table(board, console.width))


def _names(text: str | None) -> tuple[str, ...]:
    """Names joined by commas."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
