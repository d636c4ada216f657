"""`calibench compare A B`: paired differences of recipes, runs, folders or commits of results."""

from __future__ import annotations

from pathlib import Path

import click

from calibench.cli.command import Command
from calibench.cli.complete_names import metrics as metric_names
from calibench.cli.complete_names import recipes
from calibench.cli.file_options import results_option
from calibench.cli.output import emit_text, print_line, stdout
from calibench.leaderboard.defaults import TOLERANCE


@click.command(cls=Command, short_help="Compare two recipes, runs, folders or commits of results.")
@click.argument("a", metavar="A", shell_complete=recipes)
@click.argument("b", metavar="B", shell_complete=recipes)
@results_option
@click.option(
    "--metrics",
    metavar="A,B",
    shell_complete=metric_names,
    help="The metrics to compare. Default: the usual ones that the runs have.",
)
@click.option("-d", "--dataset", "datasets", multiple=True, metavar="DATASET", help="Only this dataset. May repeat.")
@click.option("-m", "--method", "methods", multiple=True, metavar="RECIPE", help="Only this recipe. May repeat.")
@click.option("--sort", metavar="METRIC", help="The rows of the largest changes of METRIC first. Default: by name.")
@click.option(
    "--parts/--no-parts",
    default=None,
    help="The classes, confidence bins and answers that changes come from. Default: where one row is compared.",
)
@click.option(
    "--tolerance", type=float, default=TOLERANCE, show_default=True, help="Changes that are no larger are none."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["rich", "md", "csv", "json"]),
    default="rich",
    show_default=True,
    help="csv and json hold every figure.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, whole or not at all."
)
def compare(  # noqa: PLR0913 - an argument for each option
    a: str,
    b: str,
    results: Path,
    metrics: str | None,
    datasets: tuple[str, ...],
    methods: tuple[str, ...],
    sort: str | None,
    parts: bool | None,
    tolerance: float,
    form: str,
    output: Path | None,
) -> None:
    """B less A, metric by metric and data set by data set, with paired intervals, and where the changes come from.

    A and B are two recipes or two runs in --results, two folders of results, or folders of two commits.

    \b
    calibench compare ce ce+temperature
    calibench compare ce vtst -d digits --metrics brier,nll
    calibench compare old/ new/ --sort brier
    calibench compare HEAD~1:results HEAD:results
    """
    from calibench.evaluation.compare import compare as compared
    from calibench.report.comparison_sections import heading, notes
    from calibench.report.comparison_text import comparison_csv, comparison_json, comparison_markdown, comparison_tables

    options = {"results": results, "metrics": metrics, "parts": parts, "tolerance": tolerance}
    found = compared(a, b, datasets=datasets, methods=methods, **options)  # type: ignore[arg-type]
    found = found if sort is None else found.sorted_by(sort)
    if form == "rich" and output is None:
        console = stdout()
        print_line(console, heading(found))
        for table in comparison_tables(found, console.width):
            console.print(table)
        for note in notes(found):
            print_line(console, note)
        return
    forms = {"md": comparison_markdown, "csv": comparison_csv, "json": comparison_json, "rich": comparison_markdown}
    text = forms[form](found)
    emit_text(text, output)
