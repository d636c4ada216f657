"""Read stored outputs of any classifier from a file of any format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.data.numpy_files import existing_file, read_npy, read_npz
from calibench.errors import InputError
from calibench.outputs.arrays import Labels, like, to_int64
from calibench.outputs.outputs import Outputs
from calibench.outputs.readers.columns import Columns, array_named, refuse_both
from calibench.outputs.readers.csv import read_csv
from calibench.outputs.readers.npz import samples_from_npz
from calibench.outputs.readers.open_blocks import ARRAYS, refuse_larger_than_memory
from calibench.outputs.readers.parquet import read_parquet
from calibench.outputs.readers.stored_array import check_label_type, check_score_type
from calibench.outputs.readers.table import samples_from_table
from calibench.outputs.several_labels import check_samples

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_outputs(path: str | Path, columns: Columns | None = None) -> tuple[Outputs, Labels]:
    """Outputs and labels in a file, checked and ready to be judged.

    `path` ends in `.npz`, `.npy`, `.safetensors`, `.csv` or `.parquet`; `columns` names the arrays or columns if they have
    unusual names. Raises InputError naming the file, and the row or column, or because it does not fit into memory.
    """
    columns = columns or Columns()
    refuse_both(columns)
    file = existing_file(path)
    suffix = file.suffix.lower()
    refuse_larger_than_memory(path, columns)
    if suffix in (".npy", ".safetensors"):
        return _whole_arrays(path, columns)
    if suffix == ".npz":
        samples = samples_from_npz(path, columns)
    elif suffix == ".csv":
        samples = samples_from_table(path, read_csv(file), columns)
    elif suffix == ".parquet":
        samples = samples_from_table(path, read_parquet(file), columns)
    else:
        raise InputError(
            f"{path}: cannot read files of type {suffix or 'unknown'!r}",
            "use .npz, .npy, .safetensors, .csv or .parquet",
        )
    return check_samples(samples.scores, samples.labels, samples.from_probs, str(path))


def _whole_arrays(path: str | Path, columns: Columns) -> tuple[Outputs, Labels]:
    """Outputs and labels in stored arrays that are not members of a zip file."""
    scores, labels, from_probs = ARRAYS[Path(path).suffix.lower()](path, columns)
    whole = check_score_type(scores).whole(), check_label_type(labels).whole()
    return check_samples(whole[0], like(whole[0], to_int64(whole[1])), from_probs, str(path))


def read_soft(path: str | Path, name: str) -> NDArray[Any]:
    """Soft labels, the shares of people who gave each label: the array `name` of the `.npz`, or the `.npy` file `name`."""
    if name.endswith(".npy"):
        return read_npy(name)
    if Path(path).suffix.lower() != ".npz":
        raise InputError(f"{path} is a table: it holds no array {name!r}", "give the shares as a .npy file")
    return array_named(name, read_npz(path), path)
