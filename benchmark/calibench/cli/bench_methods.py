"""`calibench bench methods`: the cost of each method beside plain cross-entropy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calibench.cli.command import Command
from calibench.cli.complete_names import names_of
from calibench.cli.complete_names import recipes as recipe_names
from calibench.cli.json_output import emit_json, json_file_option, json_option, save_json
from calibench.cli.output import stdout
from calibench.report.progress_bar import progress

if TYPE_CHECKING:
    from rich.table import Table


@click.command(cls=Command, short_help="Run every method, each in a fresh process.")
@click.option(
    "-m",
    "--method",
    "methods",
    multiple=True,
    metavar="RECIPE",
    shell_complete=recipe_names,
    help="A recipe to measure. Repeatable. Default: every method.",
)
@click.option(
    "-d",
    "--dataset",
    metavar="NAME",
    shell_complete=names_of("dataset"),
    help="The data, as in calibench run. Default: digits.",
)
@click.option(
    "--model", metavar="NAME", shell_complete=names_of("model"), help="The network, as in calibench run. Default: mlp."
)
@click.option("--epochs", type=click.IntRange(min=1), help="The epochs of stage 1. Default: those of the objective.")
@click.option(
    "--set", "settings", multiple=True, metavar="STAGE.KEY=VALUE", help="A parameter of every recipe. Repeatable."
)
@click.option(
    "-s",
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The seed of every run; one is enough.",
)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. Default: torch's own choice.")
@json_file_option
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print no progress and no table.")
def methods(  # noqa: PLR0913 - an argument for each option
    methods: tuple[str, ...],
    dataset: str | None,
    model: str | None,
    epochs: int | None,
    settings: tuple[str, ...],
    seed: int,
    threads: int | None,
    output: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run every method, each in a fresh process without the stage cache, and show seconds and peak memory.

    A method that cannot run on this data or network is listed with the reason.

    \b
    calibench bench methods --json
    calibench bench methods -m vtst -d npz:path=features.npz --model frozen
    """
    from calibench.atomic import writable_folder
    from calibench.bench.methods import Workload, recipes, run
    from calibench.config.resolve import resolve, settings_for
    from calibench.kernels.numpy_operators import check_threads

    if threads is not None:
        check_threads(threads)
    texts = [recipe for _, recipe in recipes(methods)]
    for recipe in texts:  # refuses unknown names before anything is measured
        resolve(recipe, dataset, model, seed=seed, epochs=epochs, settings=settings_for(recipe, settings, texts))
    if output is not None:
        writable_folder(output.parent)
    with progress("bench", silent=quiet) as report:
        document = run(methods, Workload(dataset, model, epochs, seed, settings, threads), report)
    if output is not None:
        save_json(document, output, quiet=quiet)
    if as_json:
        emit_json(document)
    elif not quiet:
        stdout().print(_table(document))


def _table(document: dict[str, Any]) -> Table:
    """A row for each method: seconds and peak memory, and how many times those of the baseline."""
    from rich.text import Text

    from calibench.report.tables import plain_table

    base = document["baseline"]
    table = plain_table()
    for column in ("method", "kind", "seconds", f"x {base}", "peak MiB", "extra MiB", f"x {base}"):
        table.add_column(column, justify="left" if column in {"method", "kind"} else "right", no_wrap=True)
    for cost in document["methods"]:
        name = Text(cost["recipe"], style="bold")
        if cost["error"] is not None:
            table.add_row(name, cost["kind"], Text(cost["error"], style="dim"))
            continue
        memory = "-" if cost["x_memory"] is None else f"{cost['x_memory']:.1f}"
        mib = [f"{cost[key] / 2**20:.0f}" for key in ("peak_bytes", "extra_bytes")]
        table.add_row(name, cost["kind"], f"{cost['seconds']:.2f}", f"{cost['x_seconds']:.2f}", *mib, memory)
    return table
