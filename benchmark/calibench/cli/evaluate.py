"""`calibench evaluate FILE`: a verdict on stored outputs, before and after a fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calibench.cli.interval_options import level_option, resamples_option
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.output import plugin_output_to_stderr, print_line, stdout, to_stderr, warn_about_broken_plugins
from calibench.cli.picture_options import PictureFiles, picture_options
from calibench.cli.progress import progress
from calibench.cli.questions import Questions, question_options
from calibench.errors import InputError
from calibench.progress import AfterPatience

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibench.evaluation.evaluation_record import EvaluationRecord
    from calibench.evaluation.stored_outputs import Fit
    from calibench.metrics.bootstrap import Sampling
    from calibench.outputs.readers import Columns, SamplesFile


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
@question_options
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
    "--fit-soft",
    metavar="NAME",
    help="Fit to labels drawn from people's shares: an array of VALFILE (of FILE with --cross-fit), or a .npy.",
)
@click.option(
    "--stream",
    is_flag=True,
    help="Read FILE (.npy, .npz, .safetensors, .parquet) in one pass, so that it may be larger than memory.",
)
@picture_options
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
    fit_soft: str | None,
    stream: bool,
    as_json: bool,
    quiet: bool,
    questions: Questions,
    pictures: PictureFiles,
) -> None:
    """Judge the logits or probabilities in FILE against its labels. Several files make a board.

    FILE is .npz, .csv, .parquet, .safetensors, or .npy with --labels FILE.npy.

    \b
    calibench evaluate test.npz                               logits or probs, and labels
    calibench evaluate test.csv --plot reliability.svg        probability columns and a label column
    calibench evaluate test.npz --fit auto --fit-on val.npz
    calibench evaluate test.npz --fit temperature --cross-fit 5
    calibench evaluate resnet.npz vit.npz                     one row a file, lowest Brier score first
    calibench evaluate test.csv --weights w --by hospital     a verdict a group, worst group first
    calibench evaluate logits.npy --labels labels.npy --stream
    """
    from calibench.cli.evaluate_stream import refuse_with_stream, stream_files
    from calibench.metrics.bootstrap import Sampling
    from calibench.outputs.readers import Columns

    pictures.check(stream)
    columns = questions.added_to(Columns(logits, probs, labels))
    _check_files(files, fit_on, fit_soft)
    questions.check(files)
    judging = metrics, Sampling(resamples, level).check(figures_alone=True)
    if stream:
        fitting = {"fit": fit, "fit_on": fit_on, "cross_fit": cross_fit, "fit_soft": fit_soft}
        refuse_with_stream(soft=soft, **fitting, **questions.options())
        records, comparable = stream_files(files, columns, judging, quiet)
    else:
        asked = soft, questions
        records, comparable = _judge_files(files, columns, asked, (fit, fit_on, cross_fit, fit_soft), judging, quiet)
    pictures.draw(records, quiet)
    if as_json or not quiet:
        _print(records, as_json, comparable=comparable)


def _judge_files(
    files: Sequence[Path],
    columns: Columns,
    asked: tuple[str | None, Questions],
    fitting: tuple[str | None, Path | None, int | None, str | None],
    judging: tuple[str | None, Sampling],
    silent: bool,
) -> tuple[dict[Path, EvaluationRecord], bool]:
    """The record of each file, and True if all have the same labels. `asked` are the soft labels and the columns to ask about.

    `fitting` are recipe, file, folds and shares of the fit.
    """
    from calibench.cli.evaluate_board import same_labels
    from calibench.evaluation.stored_outputs import Fit
    from calibench.outputs.readers import read_outputs, read_samples, read_soft
    from calibench.plugins.discovery import registry

    soft, questions = asked
    recipe, fit_on, folds, fit_soft = fitting
    shares = None if fit_soft is None else read_soft(files[0] if fit_on is None else fit_on, fit_soft)
    fit = Fit(recipe, None if fit_on is None else read_outputs(fit_on, columns), folds, shares)
    warn_about_broken_plugins(registry())
    read = [read_samples(file, columns) for file in files]
    with plugin_output_to_stderr():
        records = {
            file: _judge_file(
                samples, fit, None if soft is None else read_soft(file, soft), (questions, columns), judging, silent
            )
            for file, samples in zip(files, read, strict=True)
        }
    used = soft if fit_on is not None or soft is not None else fit_soft
    records = {file: _with_unread(record, file, columns, used) for file, record in records.items()}
    return records, same_labels([file.samples[1] for file in read])


def _judge_file(
    file: SamplesFile,
    fit: Fit,
    soft: NDArray[Any] | None,
    asked: tuple[Questions, Columns],
    judging: tuple[str | None, Sampling],
    silent: bool,
) -> EvaluationRecord:
    """The record of one file, with its name and checksum; `judging` are the metrics and the bootstrap.

    `asked` are the questions about parts of the file, and its columns.

    Progress is shown once it takes over 2 seconds, but not if `silent`.
    """
    from calibench.atomic import digest_of
    from calibench.evaluation.stored_outputs import evaluate_samples

    metrics, sampling = judging
    questions, columns = asked
    with progress("evaluate", silent) as report:
        patient = AfterPatience(report)
        record = evaluate_samples(
            file.samples,
            fit,
            soft=soft,
            metrics=metrics,
            sampling=sampling,
            report=patient,
            **questions.arguments(file),
        )
        record = dataclasses.replace(record, ood=questions.ood_rows(file, columns, sampling, patient))
    names = None if file.class_names is None else list(file.class_names)
    return dataclasses.replace(record, class_names=names, file=file.path, sha256=digest_of(Path(file.path)))


def _with_unread(record: EvaluationRecord, file: Path, columns: Columns, soft: str | None) -> EvaluationRecord:
    """The record with a warning that names the arrays of an `.npz` that were not used, such as sample weights."""
    from calibench.outputs.readers import warn_of_unread

    return dataclasses.replace(record, warnings=[*record.warnings, *warn_of_unread(file, columns, soft)])


def _check_files(files: tuple[Path, ...], fit_on: Path | None, fit_soft: str | None) -> None:
    twice = next((file for file in files if files.count(file) > 1), None)
    if twice is not None:
        raise InputError(f"{twice} is named twice", "name each file once")
    if len(files) > 1 and fit_on is not None:
        message = f"--fit-on {fit_on} holds the outputs of one classifier, and there are {len(files)} to judge"
        raise InputError(message, "fit one file at a time")
    if len(files) > 1 and fit_soft is not None:
        message = f"--fit-soft {fit_soft} holds the shares of one file's rows, and there are {len(files)} files"
        raise InputError(message, "fit one file at a time")


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
    """Print the figures of one file as a table, then the verdict and the learned values of a fit.

    A terminal gets words that are not broken and a table that fits; a pipe gets whole lines.
    """
    from calibench.cli.evaluation_lines import lines_of
    from calibench.cli.evaluation_table import figures_table, labels_table
    from calibench.cli.parts_tables import print_parts

    console = stdout()
    # Not as the table's title, which would be folded to the table's width.
    labels = f"{record.labels_per_sample} labels each, judged as yes-or-no questions"
    classes_or_labels = f"{record.classes} classes" if record.labels_per_sample == 1 else labels
    print_line(console, f"{file}: {record.n} samples, {classes_or_labels}")
    table, left_out = figures_table(record, console)
    console.print(table)
    by_label = labels_table(record)
    if by_label is not None:
        console.print(by_label)
    for line in lines_of(record, left_out):
        print_line(console, line)
    print_parts(record, console)
    if record.backend == "reference":
        to_stderr("note: judged by the float64 reference, not the fused kernels; calibench doctor gives the reason")
