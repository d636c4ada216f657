"""`calibench bench`: our kernels against what users run today, and what methods cost, measured here and now."""

from __future__ import annotations

from pathlib import Path

import click

from calibench.cli.bench_methods import methods
from calibench.cli.output import emit_json, progress, stdout, to_stderr
from calibench.errors import InputError


@click.group()
def bench() -> None:
    """Measure speed and memory on this machine."""


bench.add_command(methods)


@bench.command()
@click.option("--peers", is_flag=True, help="Also torchmetrics, netcal and scikit-learn: pip install calibench[peers].")
@click.option("--op", "ops", multiple=True, metavar="NAME", help="As in calibration_stats. Repeatable. Default: all.")
@click.option(
    "--shape", "shapes", multiple=True, metavar="NxK", help="As in 50000x1000. Repeatable. Default: each op's own."
)
@click.option(
    "--dtype", "dtypes", multiple=True, metavar="NAME", help="float64, float32, bfloat16, float16. Repeatable."
)
@click.option(
    "--contender", "contenders", multiple=True, metavar="NAME", help='Ours against these alone, as in "torch eager".'
)
@click.option("--repeats", type=click.IntRange(min=1), default=20, show_default=True, help="Rounds a case.")
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    help="Seconds a contender may take in a case before it gets fewer rounds.",
)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. Default: torch's own choice.")
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda", help="Where the tensors lie.")
@click.option("--memory/--no-memory", default=True, show_default=True, help="Measure peak memory, in another process.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the JSON to this file, whole or not at all.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, no notes and no table.")
def kernels(
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

    All contenders run in one process on the same tensors, in turns, and must agree with each other. The floor is
    x.sum(), which reads the scores once. docs/reference/benchmarks.md says how to read the result.

    \b
    calibench bench kernels --peers
    calibench bench kernels --op calibration_stats --shape 50000x1000 --dtype float32 --json
    """
    import torch

    from calibench.atomic import writable_folder, write_json
    from calibench.bench import output as out
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
        write_json(output, document)
        if not quiet:
            to_stderr(f"wrote {output}")
    if as_json:
        emit_json(document)
    elif not quiet:
        console = stdout()
        for line in out.heading(document):
            console.print(line, soft_wrap=True, markup=False)
        for table in out.tables(document):
            console.print("", table, sep="\n")
    slow = dict.fromkeys(case["op"] for case in document["cases"] if case["kernels"] == "reference")
    if slow and not quiet:
        names = ", ".join(slow)
        to_stderr(f"note: ours was the float64 reference, not a fused kernel, for {names}; calibench doctor says why")


def _shape(text: str) -> tuple[int, int]:
    rows, cross, columns = text.lower().partition("x")
    if not (cross and rows.isdecimal() and columns.isdecimal() and int(rows) and int(columns)):
        raise InputError(f"--shape {text!r} is no shape", "rows, an x, columns, each at least 1, as in 50000x1000")
    return int(rows), int(columns)


def _device(name: str) -> str:
    import torch

    if name not in {"cpu", "cuda"}:
        raise InputError(f"cannot benchmark on {name!r}", "known: cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("torch finds no CUDA device here", "calibench doctor shows what torch was built with")
    return name
