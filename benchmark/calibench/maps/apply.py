"""Apply a calibration map to a file of scores, and write calibrated probabilities, decisions and sets to another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.lazy import np
from calibench.maps.calibration_map import CalibrationMap
from calibench.maps.class_order import order_by_name, with_order
from calibench.maps.scores import checked_outputs, refuse_other_outputs
from calibench.outputs.arrays import as_array
from calibench.outputs.named_decisions import named_decisions
from calibench.outputs.outputs import Outputs
from calibench.outputs.readers import Columns, SamplesFile, open_blocks, read_samples
from calibench.outputs.writers import PredictedRows, checked_output, write_rows
from calibench.progress import Report, quiet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibench.maps.formula_path import NumpyMap


@dataclass
class Applied:
    """What `apply_map` did."""

    rows: int = 0
    abstained: int | None = None
    """The number of rows to which the rule gave no class; None without a rule."""
    notes: list[str] = field(default_factory=list)
    adapted: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By stage, what calibrators took from the rows themselves, such as the class shares of `prior-correction`."""


def apply_map(
    fitted: CalibrationMap,
    path: str | Path,
    output: str | Path,
    columns: Columns | None = None,
    *,
    stream: bool = False,
    report: Report = quiet,
) -> Applied:
    """Map the scores in the file `path` and write `output`, whole or not at all; labels may be missing.

    An `.npz` gets `probs [N, K]`, and where there are any `labels`, `decisions` (-1 abstains), `sets`, `class_names` and the other
    arrays of one value a sample. A `.csv` or `.parquet` gets the columns `prob_NAME`, `label`, `decision`, `in_set_NAME`.
    Classes are matched by name where file and map have names, and keep the file's order. Where torch is not installed, numpy
    computes the probabilities of a map that has a formula and no rule.

    With `stream` the file is read and written a block of rows at a time, so that it may be larger than memory; labels and scores
    alone are then taken from it. Raises InputError for a file that the map cannot take.
    """
    target = checked_output(Path(output), Path(path))
    applied = Applied()
    columns = columns or Columns()
    if stream:
        rows, blocks = _streamed(fitted, path, columns, applied, report)
    else:
        file = read_samples(path, columns, labelled=False)
        rows = len(file.outputs) // file.outputs.labels_per_sample
        blocks = _whole(fitted, file, applied)
    with contextlib.nullcontext() if _without_torch(fitted) is not None else fitted.chain.drawing():
        write_rows(target, blocks, rows)
    applied.rows = rows
    return applied


def _without_torch(fitted: CalibrationMap) -> NumpyMap | None:
    """The map by numpy if torch is missing and numpy can do all of it."""
    return fitted.by_numpy if find_spec("torch") is None and not fitted.has_rule else None


def _whole(fitted: CalibrationMap, file: SamplesFile, applied: Applied) -> Iterator[PredictedRows]:
    """All rows of a file that was read whole, as one block."""
    document = fitted.document
    outputs, names = file.outputs, file.class_names
    order, note = order_by_name(names, document.class_names, file.path)
    if names is not None and fitted.class_names is not None:
        # Without labels a file's names are those of its columns, as prob_cat, and the map's are the classes' own.
        places = range(len(names)) if order is None else order
        names = tuple(name for _, name in sorted(zip(places, fitted.class_names, strict=True)))
    applied.notes += [*file.notes, *([note] if note else [])]
    if document.labels_per_sample > 1 and outputs.labels_per_sample == 1 and file.labels is None:
        outputs = _several(fitted, outputs, file.path)
    refuse_other_outputs(document, outputs, file.path)
    labels = None if file.labels is None else as_array(file.labels)
    if labels is not None and outputs.labels_per_sample > 1:
        labels = labels.reshape(-1, outputs.labels_per_sample)
    yield _mapped(fitted, with_order(outputs, order), order, names, labels, applied, file.others)
    applied.adapted = {} if _without_torch(fitted) is not None else fitted.chain.adapted


def _several(fitted: CalibrationMap, outputs: Outputs, where: str) -> Outputs:
    """Scores `[N, Q]` of a file without labels as those of Q labels a sample."""
    array = outputs.array
    assert array is not None  # a file's scores are an array
    if outputs.from_probs != (fitted.document.scores == "probs"):
        refuse_other_outputs(fitted.document, Outputs(outputs.scores, outputs.from_probs), where)
    return checked_outputs(fitted.document, array, where)


def _mapped(
    fitted: CalibrationMap,
    outputs: Outputs,
    order: list[int] | None,
    names: tuple[str, ...] | None,
    labels: NDArray[Any] | None,
    applied: Applied,
    others: Any,
) -> PredictedRows:
    """The rows after the map, with classes in the file's order. Called inside `Chain.drawing`."""
    from calibench.outputs.several_labels import probabilities

    decisions, by_numpy = None, _without_torch(fitted)
    if by_numpy is not None:
        probs = by_numpy.probs(outputs)
    else:
        calibrated, decisions = fitted.chain.judged(outputs)
        probs = probabilities(calibrated)
    if order is not None:
        back = np.empty_like(probs)
        back[:, order] = probs
        probs = back
    names = names or fitted.class_names
    answers, sets = None, None
    if decisions is not None:
        decided = named_decisions(calibrated, decisions, order, names)
        answers, sets = decided.answers, decided.sets
        applied.abstained = (applied.abstained or 0) + int(decided.abstained.sum())
    return PredictedRows(probs, labels, answers, sets, names, others)


def _streamed(
    fitted: CalibrationMap, path: str | Path, columns: Columns, applied: Applied, report: Report
) -> tuple[int, Iterator[PredictedRows]]:
    """The number of rows, and the rows a block at a time. Blocks have no class names: positions are taken."""
    file = open_blocks(path, columns)
    if fitted.class_names is not None:
        applied.notes.append(f"{path} is read in one pass, without class names: columns were taken by position")

    def blocks() -> Iterator[PredictedRows]:
        done = 0
        for block in file.blocks():
            refuse_other_outputs(fitted.document, block.outputs, file.where)
            yield _mapped(fitted, block.outputs, None, None, as_array(block.labels), applied, {})
            if _without_torch(fitted) is None and fitted.chain.adapted:
                stage = next(iter(fitted.chain.adapted))
                message = f"{stage} takes values from all rows of a file, and a pass sees a block of them"
                raise InputError(message, "leave out --stream")
            done += len(block.labels)
            report("rows", done, file.rows, "")

    return file.rows, blocks()
