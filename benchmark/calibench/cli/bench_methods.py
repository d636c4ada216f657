"""`calibench bench methods`: what each method costs beside plain cross-entropy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from calibench.cli.output import emit_json, progress, stdout, to_stderr


@click.command()
@click.option("-m", "--method", "methods", multiple=True, metavar="RECIPE", help="Repeatable. Default: every method.")
@click.option("-d", "--dataset", metavar="NAME", help="As in calibench run. Default: digits.")
@click.option("--model", metavar="NAME", help="As in calibench run.")
@click.option("--epochs", type=click.IntRange(min=1), help="Of stage 1. Default: the objective's own.")
@click.option("--set", "settings", multiple=True, metavar="STAGE.KEY=VALUE", help="Of every recipe. Repeatable.")
@click.option("-s", "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="One seed is enough.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. Default: torch's own choice.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the JSON to this file, whole or not at all.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no table.")
def methods(
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
    calibench bench methods -m vtst -m ensemble:members=5 -d npz:path=features.npz --model frozen
    """
    from calibench.atomic import writable_folder, write_json
    from calibench.bench.methods import Workload, recipes, run
    from calibench.config.resolve import resolve, settings_for

    todo = [recipe for _, recipe in recipes(methods)]
    for recipe in todo:  # refuses unknown names before anything is measured
        resolve(recipe, dataset, model, seed=seed, epochs=epochs, settings=settings_for(recipe, settings, todo))
    if output is not None:
        writable_folder(output.parent)
    with progress("bench", silent=quiet) as report:
        document = run(methods, Workload(dataset, model, epochs, seed, settings, threads), report)
    if output is not None:
        write_json(output, document)
        if not quiet:
            to_stderr(f"wrote {output}")
    if as_json:
        emit_json(document)
    elif not quiet:
        stdout().print(_table(document))


def _table(document: dict[str, Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

    base = document["baseline"]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
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
