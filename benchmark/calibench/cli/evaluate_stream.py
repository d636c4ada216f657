"""`calibench evaluate FILE --stream`: each file in one pass, a block of rows at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from calibench.cli.output import plugin_output_to_stderr, warn_about_broken_plugins
from calibench.errors import InputError
from calibench.progress import AfterPatience
from calibench.report.progress_bar import progress

if TYPE_CHECKING:
    from calibench.evaluation.evaluation_record import EvaluationRecord
    from calibench.metrics.bootstrap import Sampling
    from calibench.outputs.readers import Columns


def refuse_with_stream(**values: object) -> None:
    """InputError if an option was given that one pass does not serve; `values` are those of such options, by name."""
    given = [f"--{name.replace('_', '-')}" for name, value in values.items() if value is not None]
    if given:
        hint = f"leave out --stream, or {' and '.join(given)}"
        raise InputError(f"{', '.join(given)} does not go with --stream, which judges outputs as they are", hint)


def stream_files(
    files: Sequence[Path], columns: Columns, judging: tuple[str | None, Sampling], silent: bool
) -> tuple[dict[Path, EvaluationRecord], bool]:
    """The record of each file, and True if all of them have the same labels; `judging` are the metrics and the sampling."""
    from calibench.evaluation.streaming.evaluate import evaluate_file
    from calibench.evaluation.streaming.figures import split
    from calibench.outputs.readers import open_blocks, warn_of_unread
    from calibench.plugins.discovery import registry

    warn_about_broken_plugins(registry())
    metrics, sampling = judging
    split(metrics)  # before any file is read
    opened = {file: open_blocks(file, columns) for file in files}
    records, labels = {}, set()
    with plugin_output_to_stderr():
        for file, blocks in opened.items():
            with progress("evaluate", silent) as report:
                record, digest = evaluate_file(blocks, metrics=metrics, sampling=sampling, report=AfterPatience(report))
            records[file] = dataclasses.replace(
                record,
                warnings=[*record.warnings, *warn_of_unread(file, columns)],
                notes=list(blocks.notes),
            )
            labels.add(digest)
    return records, len(labels) == 1
