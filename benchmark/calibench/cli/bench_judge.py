"""`calibench bench judge`: a whole judgement beside what a user would write today."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from calibench.cli.bench_options import (
    contender_option,
    dtype_option,
    measured,
    memory_option,
    note_reference,
    output_options,
    shape,
    shape_option,
    timing_options,
)
from calibench.cli.command import Command
from calibench.cli.output import print_line, stdout


@click.command(cls=Command, short_help="Time a whole judgement of logits.")
@click.option("--peers", is_flag=True, help="Also torchmetrics, netcal and scipy: pip install calibench[peers].")
@shape_option("1000000x10, 50000x1000, 10000x100, 10000x10, 100000x2")
@dtype_option
@contender_option("torchmetrics + bootstrap")
@timing_options
@memory_option
@click.option("--scaling", is_flag=True, help="Also ours alone at N from 1000 to 1000000 and at K from 2 to 1000.")
@output_options
def judge(  # noqa: PLR0913 - an argument for each option
    peers: bool,
    shapes: tuple[str, ...],
    dtypes: tuple[str, ...],
    contenders: tuple[str, ...],
    repeats: int,
    budget: float,
    threads: int | None,
    memory: bool,
    scaling: bool,
    output: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Time a whole judgement of logits: every default metric with its interval, noise floor and details, and the verdict.

    With --peers, beside the figures and bootstraps that a user writes today with torchmetrics, netcal and scipy, in turns
    in one process, on the same tensors. docs/reference/benchmarks.md explains how to read the result.

    \b
    calibench bench judge --peers
    calibench bench judge --shape 10000x10 --scaling --json
    """
    from calibench.bench.judge import run
    from calibench.bench.ops import JUDGE
    from calibench.bench.peers import require_peers
    from calibench.bench.suite import Options, cases

    if peers:
        require_peers()
    sizes = tuple(map(shape, shapes))
    options = Options((), sizes, dtypes, contenders, peers, repeats, budget, memory)
    cases(options, JUDGE)  # refuses unknown names before anything is written
    timed = partial(run, options, scaling=scaling)
    document = measured(timed, threads=threads, output=output, as_json=as_json, quiet=quiet)
    if not quiet:
        if not as_json:
            _print(document)
        note_reference(document)


def _print(document: dict[str, Any]) -> None:
    from calibench.bench.judge_table import cases_table, legend, scaling_table
    from calibench.bench.output import heading

    console = stdout()
    for line in (*heading(document), *legend(document)):
        print_line(console, line)
    table, left_out = cases_table(document, console)
    console.print(table)
    if left_out:
        print_line(console, f"no room for {', '.join(left_out)}; a wider terminal and --json show them")
    if document["scaling"]:
        console.print("", scaling_table(document), sep="\n")
