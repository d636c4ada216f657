"""`calibench bench`: the speed and memory of our kernels beside the packages that users run today, and of methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from calibench.cli.bench_methods import methods
from calibench.cli.json_output import emit_json, json_file_option, json_option, save_json
from calibench.cli.output import stdout, to_stderr
from calibench.cli.progress import progress
from calibench.errors import InputError


@click.group()
def bench() -> None:
    """Measure speed and memory on this machine."""


bench.add_command(methods)


@bench.command()
@click.option("--peers", is_flag=True, help="Also torchmetrics, netcal and scikit-learn: pip install calibench[peers].")
@click.option(
    "--op", "ops", multiple=True, metavar="NAME", help="An operator, as in calibration_stats. Repeatable. Default: all."
)
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="NxK",
    help="Rows x classes, as in 50000x1000. Repeatable. Default: each operator's own.",
)
@click.option(
    "--dtype", "dtypes", multiple=True, metavar="NAME", help="float64, float32, bfloat16 or float16. Repeatable."
)
@click.option(
    "--contender",
    "contenders",
    multiple=True,
    metavar="NAME",
    help='Compare with this one alone, as in "torch eager". Repeatable.',
)
@click.option("--repeats", type=click.IntRange(min=1), default=20, show_default=True, help="The rounds of a case.")
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    help="Seconds a contender may take in a case before it gets fewer rounds.",
)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. Default: torch's own choice.")
@click.option(
    "--device", default="cpu", show_default=True, metavar="cpu|cuda", help="The device that holds the tensors."
)
@click.option("--memory/--no-memory", default=True, show_default=True, help="Measure peak memory, in another process.")
@json_file_option
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print no progress, no notes and no table.")
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
    calibench bench kernels --op calibration_stats --shape 50000x1000 --dtype float32 --json
    """
    import torch

    from calibench.atomic import writable_folder
    from calibench.bench.peers import require_peers
    from calibench.bench.suite import Options, cases, run

    if peers:
        require_peers()
    sizes = tuple(_shape(text) for text in shapes)
    options = Options(ops, sizes, dtypes, contenders, peers, repeats, budget, memory, _device(device))
    cases(options)  # refuses unknown names before anything is written
    if output is not None:
        writable_folder(output.parent)
    if threads is not None:
        torch.set_num_threads(threads)
    with progress("bench", silent=quiet) as report:
        document = run(options, report)
    if output is not None:
        save_json(document, output, quiet=quiet)
    if as_json:
        emit_json(document)
    if not quiet:
        if not as_json:
            _print(document)
        _note_reference(document)


def _print(document: dict[str, Any]) -> None:
    from calibench.bench.output import heading, tables

    console = stdout()
    for line in heading(document):
        console.print(line, soft_wrap=True, markup=False)
    for table in tables(document):
        console.print("", table, sep="\n")


def _note_reference(document: dict[str, Any]) -> None:
    """Name the operators without a fused kernel, whose times are those of the float64 reference."""
    slow = dict.fromkeys(case["op"] for case in document["cases"] if case["kernels"] == "reference")
    if slow:
        names = ", ".join(slow)
        to_stderr(
            f"note: ours was the float64 reference, not a fused kernel, for {names}; calibench doctor gives the reason"
        )


def _shape(text: str) -> tuple[int, int]:
    """`(50000, 1000)` of `50000x1000`; InputError for any other form."""
    rows, cross, columns = text.lower().partition("x")
    if not (cross and rows.isdecimal() and columns.isdecimal() and int(rows) and int(columns)):
        raise InputError(f"--shape {text!r} is no shape", "write rows x classes, each at least 1, as in 50000x1000")
    return int(rows), int(columns)


def _device(name: str) -> str:
    """The device, if torch has it; else InputError."""
    import torch

    if name not in {"cpu", "cuda"}:
        raise InputError(f"cannot benchmark on {name!r}", "choose cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("torch finds no CUDA device here", "calibench doctor shows the version and build of torch")
    return name
