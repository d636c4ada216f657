"""`calibench evaluate FILE`: a verdict on stored outputs, and what a fit would do for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calibench.cli.list import warn_of_broken
from calibench.cli.output import emit_json, stdout, to_stderr, words_to_stderr
from calibench.errors import InputError

if TYPE_CHECKING:
    from calibench.evaluation.stored_outputs import EvaluationRecord


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--logits", metavar="NAME", help="Array (.npz), or columns or patterns joined by commas, that hold logits."
)
@click.option(
    "--probs", metavar="NAME", help="The same for probabilities. Default for tables: all columns but the label."
)
@click.option(
    "--labels",
    metavar="NAME",
    help="Array or column of class indices; several: y_a,y_b or y_*. Default: labels, or label.",
)
@click.option(
    "--soft",
    metavar="NAME",
    help="Shares of people's answers: an array of FILE (.npz), or a .npy such as cifar10h-probs.npy.",
)
@click.option("--fit", metavar="RECIPE", help="Post-hoc stages to try, as in temperature.")
@click.option(
    "--fit-on", type=click.Path(path_type=Path), metavar="VALFILE", help="Samples to fit on: others than those judged."
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OUT.svg",
    help="Draw the reliability diagram (.svg, .png, .pdf).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="No notes and no table.")
def evaluate(
    files: tuple[Path, ...],
    logits: str | None,
    probs: str | None,
    labels: str | None,
    soft: str | None,
    fit: str | None,
    fit_on: Path | None,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Judge the logits or probabilities in FILE (.npz, .csv, .parquet) against its labels; several make a board.

    \b
    calibench evaluate test.npz                               logits or probs, and labels
    calibench evaluate test.csv --plot reliability.svg        probability columns and a label column
    calibench evaluate test.npz --fit temperature --fit-on val.npz
    calibench evaluate resnet.npz vit.npz                     one row a file, lowest NLL first
    """
    from calibench.cli.evaluate_board import same_labels, show
    from calibench.evaluation.stored_outputs import evaluate_samples
    from calibench.outputs.readers import Columns, read_outputs, read_soft
    from calibench.plugins.discovery import registry
    from calibench.report.diagram import check_plot, reliability_diagram

    if plot is not None:
        check_plot(plot)
    columns = Columns(logits, probs, labels)
    _check_several(files, fit_on)
    held = None if fit_on is None else read_outputs(fit_on, columns)
    warn_of_broken(registry())
    samples = [read_outputs(file, columns) for file in files]
    with words_to_stderr():
        records = {
            file: evaluate_samples(one, fit, held, soft=None if soft is None else read_soft(file, soft))
            for file, one in zip(files, samples, strict=True)
        }
    if plot is not None:
        panels = [panel for file, record in records.items() for panel in _panels(file, record, len(files) > 1)]
        reliability_diagram(panels, plot)
        if not quiet:
            to_stderr(f"wrote {plot}")
    if quiet and not as_json:
        return
    if len(files) > 1:
        show(records, same_labels([labels for _, labels in samples]), as_json)
    elif as_json:
        emit_json(records[files[0]].to_dict())
    else:
        _print(records[files[0]], files[0])


def _check_several(files: tuple[Path, ...], fit_on: Path | None) -> None:
    twice = next((file for file in files if files.count(file) > 1), None)
    if twice is not None:
        raise InputError(f"{twice} is named twice", "name each file once")
    if len(files) > 1 and fit_on is not None:
        message = f"--fit-on {fit_on} holds the outputs of one classifier, and there are {len(files)} to judge"
        raise InputError(message, "fit one file at a time")


def _panels(file: Path, record: EvaluationRecord, several: bool) -> list[Any]:
    name = f"{file.stem}, " if several else ""
    panels = [(file.name if record.after is None else f"{name}before", record.judged, record.metrics["ece15"])]
    if record.after is not None and record.fit is not None:
        panels.append((f"{name}after {record.fit['recipe']}", record.judged_after, record.after["metrics"]["ece15"]))
    return panels


def _print(record: EvaluationRecord, file: Path) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from calibench.report.tables import figure, header

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("metric", no_wrap=True)
    sides: list[tuple[str, Any]] = [("value" if record.after is None else "before", record)]
    if record.after is not None:
        sides.append(("after", record.after))
    for name, _ in sides:
        table.add_column(name, justify="right")
        table.add_column("95 % interval", justify="right")
        table.add_column("floor", justify="right")
    for metric in record.units:
        unit = record.units[metric]["unit"]
        cells = []
        for _, side in sides:
            value, interval = side["metrics"].get(metric), side["intervals"].get(metric)
            floor = side["noise_floor"].get(metric)
            cells.append("-" if value is None else figure(value, unit))
            cells.append(f"[{figure(interval[0], unit)}, {figure(interval[1], unit)}]" if interval else "-")
            cells.append(figure(floor["mean"], unit) if floor else "")
        table.add_row(Text(header(metric, record.units)), *(Text(cell) for cell in cells))
    console = stdout()
    # Not as the table's title, which would be folded to the table's width.
    labels = f"{record.labels_per_sample} labels each, judged as questions of yes or no"
    what = f"{record.classes} classes" if record.labels_per_sample == 1 else labels
    console.print(Text(f"{file}: {record.n} samples, {what}"), soft_wrap=True)
    console.print(table)
    lines = []
    if record.fit is not None:
        figures = {key: value for key, value in record.fit.items() if key != "recipe"}
        learned = ", ".join(f"{key} {_short(value)}" for key, value in figures.items())
        lines.append(f"fit {record.fit['recipe']}: {learned}" if learned else f"fit {record.fit['recipe']}")
    if record.after is not None:
        lines += [f"before: {record.verdict}", f"after: {record.after['verdict']}"]
    else:
        lines.append(f"verdict: {record.verdict}")
        if record.verdict.startswith("miscalibrated"):
            lines.append("a fix to try: --fit temperature --fit-on VALFILE, samples the network was not trained on")
    lines.append("floor: mean of a perfectly calibrated model with the same confidences")
    for line in lines:  # a terminal wraps them; a pipe gets whole lines
        console.print(Text(line), soft_wrap=True)
    if record.backend == "reference":
        to_stderr("note: judged by the float64 reference, not the fused kernels; calibench doctor says why")


SHOWN = 8
"""Numbers of a list that are printed: a threshold a class fits, a map of isotonic regression does not."""


def _short(value: Any) -> str:
    """One learned value as words; what is too long for a line is counted."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return f"({len(value)} entries, in --json)"
    if isinstance(value, list):
        flat = all(isinstance(item, int | float) for item in value)
        return (
            f"[{', '.join(map(_short, value))}]"
            if flat and len(value) <= SHOWN
            else f"({len(value)} entries, in --json)"
        )
    return str(value)
