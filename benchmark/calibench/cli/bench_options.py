"""The options that `bench kernels` and `bench judge` share, and the steps that both take with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from calibench.cli.json_output import emit_json, json_file_option, json_option, save_json
from calibench.cli.output import to_stderr
from calibench.errors import InputError
from calibench.report.progress_bar import progress

if TYPE_CHECKING:
    from calibench.progress import Report

Command = TypeVar("Command", bound=Callable[..., Any])

dtype_option = click.option(
    "--dtype", "dtypes", multiple=True, metavar="NAME", help="float64, float32, bfloat16 or float16. Repeatable."
)
repeats_option = click.option(
    "--repeats", type=click.IntRange(min=1), default=20, show_default=True, help="The rounds of a case."
)
budget_option = click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    help="Seconds a contender may take in a case before it gets fewer rounds.",
)
threads_option = click.option("--threads", type=click.IntRange(min=1), help="CPU threads. Default: torch's own choice.")
memory_option = click.option(
    "--memory/--no-memory", default=True, show_default=True, help="Measure peak memory, in another process."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print no progress, no notes and no table.")


def shape_option(default: str) -> Callable[[Command], Command]:
    """The option `--shape`; its help ends with the `default`."""
    text = f"Rows x classes, as in 50000x1000. Repeatable. Default: {default}."
    return click.option("--shape", "shapes", multiple=True, metavar="NxK", help=text)


def contender_option(example: str) -> Callable[[Command], Command]:
    """The option `--contender`; its help names the `example`."""
    text = f'Compare with this one alone, as in "{example}". Repeatable.'
    return click.option("--contender", "contenders", multiple=True, metavar="NAME", help=text)


def timing_options(command: Command) -> Command:
    """`--repeats`, `--budget` and `--threads`."""
    return repeats_option(budget_option(threads_option(command)))


def output_options(command: Command) -> Command:
    """`--output`, `--json` and `--quiet`."""
    return json_file_option(json_option(quiet_option(command)))


def shape(text: str) -> tuple[int, int]:
    """`(50000, 1000)` of `50000x1000`; InputError for any other form."""
    rows, cross, columns = text.lower().partition("x")
    if not (cross and rows.isdecimal() and columns.isdecimal() and int(rows) and int(columns)):
        raise InputError(f"--shape {text!r} is no shape", "write rows x classes, each at least 1, as in 50000x1000")
    return int(rows), int(columns)


def measured(
    run: Callable[[Report], dict[str, Any]], *, threads: int | None, output: Path | None, as_json: bool, quiet: bool
) -> dict[str, Any]:
    """The document that `run` returns, measured with this number of threads, saved and printed as the options say."""
    from calibench.atomic import writable_folder
    from calibench.kernels import set_threads

    if output is not None:
        writable_folder(output.parent)
    if threads is not None:
        set_threads(threads)
    with progress("bench", silent=quiet) as report:
        document = run(report)
    if output is not None:
        save_json(document, output, quiet=quiet)
    if as_json:
        emit_json(document)
    return document


def note_reference(document: dict[str, Any]) -> None:
    """Name the operators without a fused kernel, whose times are those of the float64 reference."""
    slow = dict.fromkeys(case["op"] for case in document["cases"] if case["kernels"] == "reference")
    if slow:
        names = ", ".join(slow)
        to_stderr(
            f"note: ours was the float64 reference, not a fused kernel, for {names}; calibench doctor gives the reason"
        )
