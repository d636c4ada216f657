"""`calibench evaluate FILE`: a verdict on stored outputs, before and after a fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calibench.cli.complete_names import metrics as metric_names
from calibench.cli.file_options import max_memory_option
from calibench.cli.fit_options import FitOptions, fit_options
from calibench.cli.input_options import columns_of, input_options, reading
from calibench.cli.interval_options import level_option, resamples_option
from calibench.cli.json_output import emit_json, json_option
from calibench.cli.option_sections import SectionedCommand
from calibench.cli.output import plugin_output_to_stderr, print_line, stdout, to_stderr, warn_about_broken_plugins
from calibench.cli.picture_options import PictureFiles, picture_options
from calibench.cli.plugin_option import plugin_option
from calibench.cli.questions import Questions, question_options
from calibench.errors import InputError
from calibench.progress import AfterPatience
from calibench.report.progress_bar import progress

if TYPE_CHECKING:
    from calibench.evaluation.evaluation_record import EvaluationRecord
    from calibench.evaluation.stored_outputs import Fit
    from calibench.metrics.bootstrap import Sampling
    from calibench.outputs.readers import Columns, SamplesFile


@click.command(cls=SectionedCommand, short_help="Judge stored logits or probabilities: figures, verdict, advice.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@input_options
@click.option(
    "--soft",
    metavar="NAME",
    help="The shares of people who gave each label: an array of FILE (.npz), or a .npy such as cifar10h-probs.npy.",
)
@click.option(
    "--metrics",
    shell_complete=metric_names,
    metavar="NAME,...",
    help="The metrics, as in brier,ece:bins=20,smece; default and all are sets of them.",
)
@question_options
@level_option
@resamples_option
@fit_options
@click.option(
    "--stream",
    is_flag=True,
    help="Read FILE (.npy, .npz, .safetensors, .parquet) in one pass, so that it may be larger than memory.",
)
@picture_options
@plugin_option
@max_memory_option
@json_option
@click.option("-q", "--quiet", is_flag=True, help="Print no notes and no table.")
def evaluate(  # noqa: PLR0913 - an argument for each option
    files: tuple[Path, ...],
    soft: str | None,
    metrics: str | None,
    level: float,
    resamples: int,
    stream: bool,
    as_json: bool,
    quiet: bool,
    questions: Questions,
    fitting: FitOptions,
    pictures: PictureFiles,
    **inputs: Any,
) -> None:
    """Judge the logits or probabilities in FILE against its labels. Several files make a board.

    FILE is .npz, .csv, .parquet, .pt, .h5, .json or another format of `calibench list readers`; - is standard input.

    \b
    calibench evaluate test.csv                   a column a class, and "label"
    calibench evaluate test.csv --labels churned  another name for that column
    calibench evaluate test.npz --plot out.svg    arrays: logits or probs, labels
    calibench evaluate test.csv --by hospital     a verdict a group, worst first
    calibench evaluate test.npz --fit auto --fit-on val.npz
    calibench evaluate test.npz --fit temperature --cross-fit 5
    calibench evaluate resnet.npz vit.npz         a row a file, best Brier first
    calibench evaluate logits.npy --labels labels.npy --stream
    """
    from calibench.cli.evaluate_stream import refuse_with_stream, stream_files
    from calibench.metrics.bootstrap import Sampling

    pictures.check(stream)
    columns = questions.added_to(columns_of(inputs))
    _refuse_twice(files)
    fitting.check(files)
    questions.check(files)
    judging = metrics, Sampling(resamples, level).check(figures_alone=True)
    if stream:
        refuse_with_stream(soft=soft, **fitting.options(), **questions.options(), **reading(inputs))
        records, comparable = stream_files(files, columns, judging, quiet)
    else:
        records, comparable = _judge_files(files, columns, (soft, questions, fitting), judging, quiet)
    pictures.draw(records, quiet)
    if as_json or not quiet:
        _print(records, as_json, comparable=comparable)


def _judge_files(
    files: Sequence[Path],
    columns: Columns,
    asked: tuple[str | None, Questions, FitOptions],
    judging: tuple[str | None, Sampling],
    silent: bool,
) -> tuple[dict[Path, EvaluationRecord], bool]:
    """The record of each file, and True if all have the same labels.

    `asked` are the soft labels, the columns to ask about and the fit.
    """
    from calibench.cli.evaluate_board import same_labels
    from calibench.cli.evaluate_inputs import about_reading, read_files
    from calibench.cli.evaluate_map import in_order_of_map
    from calibench.outputs.readers import read_soft
    from calibench.plugins.discovery import registry

    soft, questions, fitting = asked
    samples = read_files(files, columns)
    if soft is not None:
        samples = {name: dataclasses.replace(file, soft=read_soft(file.path, soft)) for name, file in samples.items()}
    fit_file = fitting.fit_file(columns, next(iter(samples.values())))
    fitted = fitting.loaded_map()
    if fitted is not None:
        samples = {name: in_order_of_map(file, fitted) for name, file in samples.items()}
    fit = fitting.to_fit(files, fit_file, fitted)
    warn_about_broken_plugins(registry())
    shares = soft if fitting.fit_on is not None or soft is not None else fitting.fit_soft
    used = [shares, *questions.used]
    records = {}
    with plugin_output_to_stderr():
        for name, file in samples.items():
            record = _judge_file(file, fit, (questions, columns), judging, silent)
            records[name] = about_reading(record, file, fit_file, used)
    return records, same_labels([file.samples[1] for file in samples.values()])


def _judge_file(
    file: SamplesFile,
    fit: Fit,
    asked: tuple[Questions, Columns],
    judging: tuple[str | None, Sampling],
    silent: bool,
) -> EvaluationRecord:
    """The record of one file, with its name and checksum; `judging` are the metrics and the bootstrap.

    `asked` are the questions about parts of the file, and its columns. Progress is shown once it takes over 2 seconds, but not
    if `silent`.
    """
    from calibench.atomic import digest_of
    from calibench.evaluation.stored_outputs import evaluate_samples
    from calibench.outputs.readers import local_file

    metrics, sampling = judging
    questions, columns = asked
    with progress("evaluate", silent) as report:
        patient = AfterPatience(report)
        record = evaluate_samples(
            file.samples,
            fit,
            soft=file.soft,
            metrics=metrics,
            sampling=sampling,
            report=patient,
            class_names=tuple(file.class_names or ()),
            **questions.arguments(file),
        )
        record = dataclasses.replace(record, ood=questions.ood_rows(file, columns, sampling, patient))
    return dataclasses.replace(record, file=file.path, sha256=digest_of(local_file(file.path)))


def _refuse_twice(files: tuple[Path, ...]) -> None:
    twice = next((file for file in files if files.count(file) > 1), None)
    if twice is not None:
        raise InputError(f"{twice} is named twice", "name each file once")


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
    if record.judged is not None and record.judged.top_label_only:
        classes_or_labels = "answers with a confidence"
    print_line(console, f"{file}: {record.n} samples, {classes_or_labels}")
    for note in record.notes:
        print_line(console, f"note: {note}")
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
