"""`calibench evaluate FILE`: a verdict on stored outputs, before and after a fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calibench.cli.interval_options import level_option, resamples_option
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.output import plugin_output_to_stderr, stdout, to_stderr, warn_about_broken_plugins
from calibench.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rich.table import Table

    from calibench.evaluation.advice import Advice
    from calibench.evaluation.cross_fit import Samples
    from calibench.evaluation.evaluation_record import EvaluationRecord
    from calibench.evaluation.stored_outputs import Fit
    from calibench.metrics.bootstrap import Sampling
    from calibench.report.diagram import Panel


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--logits", metavar="NAME", help="The array (.npz), or columns or patterns joined by commas, of logits.")
@click.option(
    "--probs", metavar="NAME", help="The same for probabilities. Default for tables: all columns but the label."
)
@click.option(
    "--labels",
    metavar="NAME",
    help="The array or column of class indices; several labels: y_a,y_b or y_*. Default: labels, or label.",
)
@click.option(
    "--soft",
    metavar="NAME",
    help="The shares of people who gave each label: an array of FILE (.npz), or a .npy such as cifar10h-probs.npy.",
)
@click.option(
    "--metrics",
    metavar="NAME,...",
    help="The metrics, as in brier,ece:bins=20,smece; default and all are sets of them.",
)
@level_option
@resamples_option
@click.option(
    "--fit", metavar="RECIPE", help="Post-hoc stages to try, such as temperature; auto takes what the advice names."
)
@click.option(
    "--fit-on", type=click.Path(path_type=Path), metavar="VALFILE", help="Samples to fit on: others than those judged."
)
@click.option(
    "--cross-fit",
    type=int,
    metavar="FOLDS",
    help="Fit inside one file instead: each of FOLDS parts is mapped by a fit on the others.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OUT.svg",
    help="Draw the reliability diagram (.svg, .png, .pdf).",
)
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print no notes and no table.")
def evaluate(  # noqa: PLR0913 - an argument for each option
    files: tuple[Path, ...],
    logits: str | None,
    probs: str | None,
    labels: str | None,
    soft: str | None,
    metrics: str | None,
    level: float,
    resamples: int,
    fit: str | None,
    fit_on: Path | None,
    cross_fit: int | None,
    plot: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Judge the logits or probabilities in FILE (.npz, .csv, .parquet) against its labels. Several files make a board.

    \b
    calibench evaluate test.npz                               logits or probs, and labels
    calibench evaluate test.csv --plot reliability.svg        probability columns and a label column
    calibench evaluate test.npz --fit auto --fit-on val.npz
    calibench evaluate test.npz --fit temperature --cross-fit 5
    calibench evaluate resnet.npz vit.npz                     one row a file, lowest NLL first
    """
    from calibench.cli.evaluate_board import same_labels
    from calibench.evaluation.stored_outputs import Fit
    from calibench.metrics.bootstrap import Sampling
    from calibench.outputs.readers import Columns, read_outputs, read_soft
    from calibench.plugins.discovery import registry
    from calibench.report.diagram import check_plot, reliability_diagram

    if plot is not None:
        check_plot(plot)
    columns = Columns(logits, probs, labels)
    _check_files(files, fit_on)
    fit_samples = None if fit_on is None else read_outputs(fit_on, columns)
    warn_about_broken_plugins(registry())
    samples = [read_outputs(file, columns) for file in files]
    chosen_fit, judging = Fit(fit, fit_samples, cross_fit), (metrics, Sampling(resamples, level).check())
    with plugin_output_to_stderr():
        records = {
            file: _judge_file(file, judged, chosen_fit, None if soft is None else read_soft(file, soft), judging)
            for file, judged in zip(files, samples, strict=True)
        }
    if plot is not None:
        reliability_diagram(_panels(records), plot)
        if not quiet:
            to_stderr(f"wrote {plot}")
    if as_json or not quiet:
        _print(records, as_json, comparable=same_labels([labels for _, labels in samples]))


def _judge_file(
    file: Path, samples: Samples, fit: Fit, soft: NDArray[Any] | None, judging: tuple[str | None, Sampling]
) -> EvaluationRecord:
    """The record of one file, with its name and checksum; `judging` are the metrics and the bootstrap."""
    from calibench.atomic import digest_of
    from calibench.evaluation.stored_outputs import evaluate_samples

    metrics, sampling = judging
    record = evaluate_samples(samples, fit, soft=soft, metrics=metrics, sampling=sampling)
    return dataclasses.replace(record, file=str(file), sha256=digest_of(file))


def _check_files(files: tuple[Path, ...], fit_on: Path | None) -> None:
    twice = next((file for file in files if files.count(file) > 1), None)
    if twice is not None:
        raise InputError(f"{twice} is named twice", "name each file once")
    if len(files) > 1 and fit_on is not None:
        message = f"--fit-on {fit_on} holds the outputs of one classifier, and there are {len(files)} to judge"
        raise InputError(message, "fit one file at a time")


def _panels(records: Mapping[Path, EvaluationRecord]) -> list[Panel]:
    """A diagram for each file; two after a fit, named before and after."""
    from calibench.report.diagram import Panel

    panels = []
    for file, record in records.items():
        prefix = f"{file.stem}, " if len(records) > 1 else ""
        if record.judged is not None:
            title = file.name if record.after is None else f"{prefix}before"
            panels.append(Panel(title, record.judged, record.metrics.get("ece15")))
        if record.after is not None and record.fit is not None and record.judged_after is not None:
            title = f"{prefix}after {record.fit['recipe']}"
            panels.append(Panel(title, record.judged_after, record.after["metrics"].get("ece15")))
    return panels


def _print(records: Mapping[Path, EvaluationRecord], as_json: bool, *, comparable: bool) -> None:
    from calibench.cli.evaluate_board import document, print_board

    if len(records) > 1 and as_json:
        emit_json(document(records, comparable))
    elif len(records) > 1:
        print_board(records, comparable)
    else:
        ((file, record),) = records.items()
        if as_json:
            emit_json(record.to_dict())
        else:
            _print_record(record, file)


def _print_record(record: EvaluationRecord, file: Path) -> None:
    """Print the figures of one file as a table, then the verdict and the learned values of a fit."""
    from rich.text import Text

    console = stdout()
    # Not as the table's title, which would be folded to the table's width.
    labels = f"{record.labels_per_sample} labels each, judged as yes-or-no questions"
    classes_or_labels = f"{record.classes} classes" if record.labels_per_sample == 1 else labels
    console.print(Text(f"{file}: {record.n} samples, {classes_or_labels}"), soft_wrap=True)
    console.print(_table(record))
    labels_table = _labels_table(record)
    if labels_table is not None:
        console.print(labels_table)
    for line in _lines(record):  # a terminal wraps them; a pipe gets whole lines
        console.print(Text(line), soft_wrap=True)
    if record.backend == "reference":
        to_stderr("note: judged by the float64 reference, not the fused kernels; calibench doctor gives the reason")


def _table(record: EvaluationRecord) -> Table:
    """A row for each metric: figure, interval and floor; with a fit before and after it."""
    from rich.text import Text

    from calibench.report.format import header
    from calibench.report.tables import ruled_table

    table = ruled_table()
    table.add_column("metric", no_wrap=True)
    judgements: dict[str, Mapping[str, Any]] = {"value" if record.after is None else "before": record.to_dict()}
    if record.after is not None:
        judgements["after"] = record.after
    for name in judgements:
        for column in (name, f"{100 * record.bootstrap['level']:g} % interval", "floor"):
            table.add_column(column, justify="right")
    for metric, about in record.units.items():
        cells = [cell for judgement in judgements.values() for cell in _cells(judgement, metric, about["unit"])]
        table.add_row(Text(header(metric, about["unit"])), *(Text(cell) for cell in cells))
    return table


ANSWERS = {"no_sign": "no sign of miscalibration", "miscalibrated": "miscalibrated", "too_few": "too few to tell"}


def _labels_table(record: EvaluationRecord) -> Table | None:
    """A row for each of several labels, after the fit if there is one; None for one label a sample."""
    from rich.text import Text

    from calibench.report.tables import ruled_table

    labels = record.labels if record.after is None else record.after["labels"]
    if not labels:
        return None
    table = ruled_table()
    table.add_column("label", no_wrap=True)
    for name in ("predicted", "observed"):
        table.add_column(name, justify="right")
    table.add_column("verdict" if record.after is None else "verdict after the fit")
    for label in labels:
        counts = (f"{label['predicted']:.1f}", f"{label['observed']:.0f}")
        table.add_row(Text(label["name"]), *counts, ANSWERS[label["calibrated"]])
    return table


def _cells(judgement: Mapping[str, Any], metric: str, unit: str) -> tuple[str, str, str]:
    """Figure, interval and floor of one metric as text."""
    from calibench.report.format import NOTHING, figure, interval

    value, floor = judgement["metrics"].get(metric), judgement["noise_floor"].get(metric)
    return (
        NOTHING if value is None else figure(value, unit),
        interval(judgement["intervals"].get(metric), unit) or NOTHING,
        figure(floor["mean"], unit) if floor else "",
    )


def _lines(record: EvaluationRecord) -> Sequence[str]:
    """The learned values of a fit, the verdict before and after it, and the meaning of the floor."""
    after = record.after or {}
    warnings = record.warnings + [text for text in after.get("warnings", ()) if text not in record.warnings]
    lines = [f"warning: {text}" for text in warnings]
    if record.fit is not None:
        values = {key: value for key, value in record.fit.items() if key != "recipe"}
        learned = ", ".join(f"{key} {_learned_value(value)}" for key, value in values.items())
        lines.append(f"fit {record.fit['recipe']}: {learned}" if learned else f"fit {record.fit['recipe']}")
    if record.after is not None:
        lines += [f"before: {record.verdict}", f"after: {after['verdict']}"]
    else:
        lines.append(f"verdict: {record.verdict}")
    if record.advice is not None:
        lines.append(f"advice: {_advice(record.advice, record.fit)}")
    return [*lines, "floor: mean of a perfectly calibrated model with the same confidences"]


def _advice(advice: Advice, fit: Mapping[str, Any] | None) -> str:
    """The map that helps, with its gain, and how to use it; or that none does."""
    if advice["nll_gain"] is None or advice["interval"] is None:
        return f"none: no map could be fitted to these {advice['samples']} samples"
    low, high = advice["interval"]
    gain = f"{advice['nll_gain']:.4f} [{low:.4f}, {high:.4f}] nats a sample"
    tried = f"{len(advice['gains'])} maps cross-fitted on {advice['samples']} samples"
    if advice["recipe"] is None:
        return f"none: no map lowers NLL beyond its interval; the best lowers it by {gain} ({tried})"
    use = (
        ""
        if fit is not None
        else f"; --fit {advice['recipe']} --fit-on VALFILE, samples the network was not trained on"
    )
    return f"{advice['recipe']} lowers NLL by {gain} ({tried}){use}"


LONGEST_LIST = 8
"""The longest list of numbers that is printed: a threshold a class fits on a line, a map of isotonic regression does not."""


def _learned_value(value: Any) -> str:
    """A learned value as text; lists that are too long for a line, and tables, are only counted."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and len(value) <= LONGEST_LIST and all(isinstance(item, int | float) for item in value):
        return f"[{', '.join(map(_learned_value, value))}]"
    if isinstance(value, list | dict):
        return f"({len(value)} entries, in --json)"
    return str(value)
