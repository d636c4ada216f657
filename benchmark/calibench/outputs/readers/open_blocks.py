"""Open a file of outputs to read it a block at a time, and refuse to read one whole that does not fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from calibench.data.numpy_files import existing_file
from calibench.errors import InputError
from calibench.files.memory_limit import refuse_beyond_memory
from calibench.outputs.columns import BY_POSITION, Columns, refuse_both
from calibench.outputs.readers.block_file import ArrayFile, BlockFile
from calibench.outputs.readers.formats.npy import npy_scores_and_labels
from calibench.outputs.readers.formats.safetensors import safetensors_scores_and_labels
from calibench.outputs.readers.npz_members import npz_scores_and_labels
from calibench.outputs.readers.parquet_blocks import ParquetFile
from calibench.outputs.readers.stored_array import StoredArray

ARRAYS: dict[str, Callable[[str | Path, Columns], tuple[StoredArray, StoredArray, bool]]] = {
    ".npy": npy_scores_and_labels,
    ".npz": npz_scores_and_labels,
    ".safetensors": safetensors_scores_and_labels,
}
"""How scores and labels are found in a file of arrays, by its ending."""


def open_blocks(path: str | Path, columns: Columns) -> BlockFile:
    """The file, of which only the header is read. Raises InputError if it is none of scores and labels, one a sample."""
    refuse_both(columns)
    suffix = existing_file(path).suffix.lower()
    if suffix == ".parquet":
        return ParquetFile(path, columns)
    if suffix not in ARRAYS:
        hint = "use .npy, .npz, .safetensors or .parquet"
        raise InputError(f"{path}: files of type {suffix or 'unknown'!r} cannot be read in one pass", hint)
    file = ArrayFile(path, *ARRAYS[suffix](path, columns))
    file.class_names, file.notes = columns.classes, () if columns.classes else (BY_POSITION,)
    return file


def refuse_larger_than_memory(path: str | Path, columns: Columns) -> None:
    """InputError if the scores of the file, read whole, would need more memory than there is.

    Nothing happens where one of the sizes is not known beforehand, as that of a `.csv`.
    """
    try:
        scores = open_blocks(path, columns).score_bytes
    except InputError:
        return  # the reader finds the same fault, or one pass could not read what it can
    refuse_beyond_memory(
        path, scores, "the array of its scores", "judge it in one pass, a block of rows at a time: --stream"
    )
