"""The files of `calibench evaluate`: read, with those to fit on aligned to them, and what a record says about the reading."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.outputs.readers import SamplesFile, aligned, read_members, read_samples, warn_of

if TYPE_CHECKING:
    from calibench.evaluation.evaluation_record import EvaluationRecord
    from calibench.outputs.readers import Columns


def read_files(files: Sequence[Path], columns: Columns) -> dict[Path, SamplesFile]:
    """The samples to judge, by the name that they are shown under; with `--combine each` those of each member."""
    if columns.combine != "each":
        return {file: read_samples(file, columns) for file in files}
    return {
        Path(f"{file}[{number}]"): member for file in files for number, member in enumerate(read_members(file, columns))
    }


def read_fit_file(file: Path, columns: Columns, fit_labels: str | None, judged: SamplesFile) -> SamplesFile:
    """The samples to fit on, with their classes in the order of the judged ones."""
    label = columns.label if fit_labels is None else fit_labels
    return aligned(read_samples(file, dataclasses.replace(columns, label=label, to_fit=True)), judged)


def about_reading(
    record: EvaluationRecord, samples: SamplesFile, fit: SamplesFile | None, used: Sequence[str | None]
) -> EvaluationRecord:
    """The record with the notes of both files, and a warning of columns that are not used."""
    notes = list(samples.notes)
    if fit is not None:
        known: list[Any] = [note for note in fit.notes if note not in notes]
        notes += [note if note.startswith(fit.path) else f"{fit.path}: {note}" for note in known]
    return dataclasses.replace(
        record,
        notes=notes,
        warnings=[*record.warnings, *warn_of(samples.unused, used)],
    )
