"""`calibench bench`: the speed and memory of our kernels beside the packages that users run today, and of methods."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from calibench.cli.bench_judge import judge
from calibench.cli.bench_methods import methods
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
from calibench.cli.output import stdout
from calibench.errors import InputError


@click.group()
def bench() -> None:
    """Measure speed and memory on this machine.

    \b
    calibench bench kernels
    calibench bench judge --peers
    calibench bench methods -m vtst
    """


bench.add_command(judge)
bench.add_command(methods)


@bench.command()
@click.option("--peers", is_flag=True, help="Also torchmetrics, netcal and scikit-learn: pip install calibench[peers].")
@click.option(
    "--op", "ops", multiple=True, metavar="NAME", help="An operator, as in calibration_stats. Repeatable. Default: all."
)
@shape_option("each operator's own")
@dtype_option
@contender_option("torch eager")
@timing_options
@click.option(
    "--device", default="cpu", show_default=True, metavar="cpu|cuda", help="The device that holds the tensors."
)
@memory_option
@output_options
def kernels(  # noqa: PLR0913 - an argument for each option
    peers: bool,
    ops: tuple[str, ...],
    shapes: tuple[str, ...],
    dtypes: tuple[str, ...],
    contenders: tuple[str, ...],
    repeats: int,
    budget: float,
    threads: int | None,
    device: str,
    memory: bool,
    output: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Time every kernel against torch eager, torch.compile and, with --peers, the packages that users have today.

    All contenders run in turns in one process, on the same tensors, and their results must agree. The floor is x.sum(),
    which reads the scores once. docs/reference/benchmarks.md explains how to read the result.

    \b
    calibench bench kernels --peers
    calibench bench kernels --op calibration_stats --shape 50000x1000 --json
    """
    from calibench.bench.peers import require_peers
    from calibench.bench.suite import Options, cases, run

    if peers:
        require_peers()
    sizes = tuple(map(shape, shapes))
    options = Options(ops, sizes, dtypes, contenders, peers, repeats, budget, memory, _device(device))
    cases(options)  # refuses unknown names before anything is written
    document = measured(partial(run, options), threads=threads, output=output, as_json=as_json, quiet=quiet)
    if not quiet:
        if not as_json:
            _print(document)
        note_reference(document)


def _print(document: dict[str, Any]) -> None:
    from calibench.bench.output import heading, tables

    console = stdout()
    for line in heading(document):
        console.print(line, soft_wrap=True, markup=False)
    for table in tables(document):
        console.print("", table, sep="\n")


def _device(name: str) -> str:
    """The device, if torch has it; else InputError."""
    import torch

    if name not in {"cpu", "cuda"}:
        raise InputError(f"cannot benchmark on {name!r}", "choose cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("torch finds no CUDA device here", "calibench doctor shows the version and build of torch")
    return name
