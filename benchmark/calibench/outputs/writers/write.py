"""Write predicted rows to a file in the format of its ending, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from calibench.atomic import refuse_missing_folder, refuse_overwriting, replacing
from calibench.errors import InputError, did_you_mean
from calibench.outputs.writers.predicted_rows import PredictedRows
from calibench.outputs.writers.write_csv import write_csv
from calibench.outputs.writers.write_npz import write_npz
from calibench.outputs.writers.write_parquet import import_pyarrow, write_parquet

Writer = Callable[[Path, Iterator[PredictedRows], int], None]

WRITERS: dict[str, Writer] = {".npz": write_npz, ".csv": write_csv, ".parquet": write_parquet}
"""The function that writes a file, by its ending."""


def checked_output(output: Path, source: Path) -> Path:
    """The file to write; InputError for another ending, a missing folder, and the file `source` that is read."""
    if output.suffix.lower() not in WRITERS:
        near = did_you_mean(output.suffix, WRITERS)
        raise InputError(f"cannot write {str(output)!r}: its ending is {output.suffix or 'missing'}", near)
    refuse_missing_folder(output)
    refuse_overwriting(output, source)
    if output.suffix.lower() == ".parquet":
        import_pyarrow()
    return output


def write_rows(output: Path, blocks: Iterator[PredictedRows], rows: int) -> None:
    """Write `rows` rows, a block at a time, to a file that `checked_output` has passed."""
    with replacing(output) as temporary:
        WRITERS[output.suffix.lower()](temporary, blocks, rows)
