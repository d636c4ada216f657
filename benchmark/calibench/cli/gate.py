"""`calibench gate FILE`: limits of figures, decided by their intervals; exit code 0 if all hold, 1 if one does not."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from calibench.cli.file_options import max_memory_option
from calibench.cli.input_options import columns_option
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.option_sections import SectionedCommand
from calibench.cli.output import plugin_output_to_stderr, to_stderr, warn_about_broken_plugins
from calibench.cli.plugin_option import plugin_option
from calibench.progress import AfterPatience
from calibench.report.progress_bar import progress

if TYPE_CHECKING:
    from calibench.evaluation.gate.gate import Asked
    from calibench.evaluation.gate.gate_result import GateResult
    from calibench.outputs.readers import Columns


@click.command(cls=SectionedCommand, short_help="Check limits of figures; exit code 1 unless the data show them.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--max", "largest", metavar="NAME=V", multiple=True, help="The figure is at most V; may be repeated.")
@click.option("--min", "smallest", metavar="NAME=V", multiple=True, help="The figure is at least V; may be repeated.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="OLD",
    help="Outputs of an earlier model on the same rows, to compare with.",
)
@click.option(
    "--no-worse",
    is_flag=True,
    help="Fail if a metric with a limit (brier if there is none) is shown to be worse than the baseline's.",
)
@click.option(
    "--margin",
    metavar="NAME=V",
    multiple=True,
    help="The figure is shown to be worse than the baseline's by at most V; may be repeated.",
)
@click.option(
    "--confidence", type=float, default=0.95, show_default=True, help="The confidence of each bound, as a fraction."
)
@click.option("--fit", metavar="RECIPE", help="Stages to apply first, such as the rule threshold:value=0.8.")
@click.option("--fit-on", type=click.Path(path_type=Path), metavar="VALFILE", help="Other samples, to fit them on.")
@click.option("--cross-fit", type=int, metavar="FOLDS", help="Fit a map inside FILE, each part by the others.")
@columns_option
@click.option("--annotate", type=click.Choice(["github"]), help="Print an annotation a check for GitHub Actions.")
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OUT.xml",
    help="Write the checks as JUnit XML, a test case a check.",
)
@plugin_option
@max_memory_option
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print only the checks that do not hold.")
def gate(  # noqa: PLR0913 - an argument for each option
    file: Path,
    largest: tuple[str, ...],
    smallest: tuple[str, ...],
    baseline: Path | None,
    no_worse: bool,
    margin: tuple[str, ...],
    confidence: float,
    fit: str | None,
    fit_on: Path | None,
    cross_fit: int | None,
    columns: Columns,
    annotate: str | None,
    junit: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Check limits of the figures of FILE. Exit code 0: all hold; 1: one does not; 2: a mistake, or too few samples.

    A limit holds if the bound of the figure's interval reaches it, not the figure itself.

    \b
    calibench gate test.npz --max ece15=0.03 --max brier=0.12
    calibench gate test.npz --fit threshold:value=0.8 --min coverage=.8
    calibench gate new.npz --baseline old.npz --no-worse
    calibench gate test.npz --max ece15=0.03 --annotate github --junit gate.xml
    """
    from calibench.cli.gate_junit import check_junit, write_junit
    from calibench.evaluation.gate.gate import asked

    if junit is not None:
        check_junit(junit, file, baseline, fit_on)
    checks = asked(
        largest, smallest, baseline=baseline is not None, no_worse=no_worse, margin=margin, confidence=confidence
    )
    result = _gated(file, checks, columns, baseline, (fit, fit_on, cross_fit), silent=quiet)
    if junit is not None:
        write_junit(result, junit)
    _print(result, as_json=as_json, quiet=quiet, annotate=annotate is not None)
    raise click.exceptions.Exit(0 if result.passed else 1)


def _gated(
    file: Path,
    checks: Asked,
    columns: Columns,
    baseline: Path | None,
    fitting: tuple[str | None, Path | None, int | None],
    *,
    silent: bool,
) -> GateResult:
    """The outcome for a file; `fitting` are the recipe, the file and the folds of the fit."""
    from calibench.evaluation.gate.gate import Fit, gate_samples
    from calibench.outputs.readers import aligned, read_samples
    from calibench.plugins.discovery import registry

    recipe, fit_on, folds = fitting
    warn_about_broken_plugins(registry())
    samples = read_samples(file, columns)
    old = None if baseline is None else aligned(read_samples(baseline, columns), samples).samples
    fit = Fit(recipe, None if fit_on is None else aligned(read_samples(fit_on, columns), samples).samples, folds)
    with plugin_output_to_stderr(), progress("gate", silent) as report:
        names = tuple(samples.class_names or ())
        result = gate_samples(
            samples.samples, checks, baseline=old, fit=fit, class_names=names, report=AfterPatience(report)
        )
    return dataclasses.replace(result, file=str(file), notes=samples.notes)


def _print(result: GateResult, *, as_json: bool, quiet: bool, annotate: bool) -> None:
    """One line a check on standard output, and the sum of them on standard error."""
    from calibench.cli.gate_annotations import github_annotations
    from calibench.report.format import printable

    for text in [] if quiet else result.notes:
        to_stderr(f"note: {text}")
    for text in result.warnings:
        to_stderr(f"warning: {text}")
    if as_json:
        emit_json(result.to_dict())
    else:
        for check in result.checks:
            if not quiet or not check.holds:
                click.echo(printable(str(check)))
    if annotate:
        for line in github_annotations(result):
            click.echo(
                printable(line), err=as_json
            )  # GitHub reads both streams, and standard output is one JSON object
    if not quiet:
        to_stderr(result.summary)
