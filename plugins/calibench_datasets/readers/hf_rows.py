"""Rows of a Hugging Face data set as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench import InputError
from calibench.lazy import np
from calibench_datasets.readers.files import unreadable_file
from calibench_datasets.readers.hf_columns import HfColumns
from calibench_datasets.readers.hf_hub import reason
from calibench_datasets.readers.image_files import decode_image, pillow, refuse_other_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = 256


def read_split(
    stream: Any, columns: HfColumns, colour: bool, size: int | None, folder: Path, where: str
) -> tuple[NDArray[Any], list[Any]]:
    """One split's inputs `[N, ...]`, and its labels as they are in the file; InputError naming the row."""
    try:
        labels, inputs = _read(stream, columns, colour, size, folder, where)
    except InputError:
        raise
    except Exception as error:  # pyarrow and the library raise nearly anything on a damaged file
        raise InputError(f"{where}: it cannot be read: {reason(error)}", "fetch the set again") from None
    if not labels:
        raise InputError(f"{where}: it has no rows", "name another split")
    if columns.image:
        return np.stack(inputs), labels
    if len({batch.shape[1] for batch in inputs}) > 1:
        raise InputError(f"{where}: its lists differ in length", "all rows need as many numbers")
    return np.concatenate(inputs), labels


def _read(
    stream: Any, columns: HfColumns, colour: bool, size: int | None, folder: Path, where: str
) -> tuple[list[Any], list[NDArray[Any]]]:
    """The labels, and either one array an image or one array `[n, d]` a batch of numbers."""
    import datasets

    missing = [name for name in columns.names if name not in (stream.features or {})]
    if missing:
        raise InputError(f"{where}: there is no column {missing[0]!r}", "all splits need the columns of train")
    if columns.image:
        pillow()
        stream = stream.cast_column(columns.image, datasets.Image(decode=False))
    inputs: list[NDArray[Any]] = []
    labels: list[Any] = []
    for batch in stream.select_columns(columns.names).iter(batch_size=BATCH):
        row = len(labels)
        _refuse_missing_cells(batch, columns.names, row, where)
        if columns.image:
            for number, cell in enumerate(batch[columns.image], row):
                image = _image(cell, colour, size, folder, f"{where}: {columns.image}, row {number}")
                inputs.append(image)
                _refuse_other_size(image, inputs[0], f"{where}: {columns.image}, row {number}")
        else:
            numbers = [_numbers(batch[name], row, f"{where}: {name}") for name in columns.features]
            inputs.append(np.concatenate(numbers, axis=1))
        labels += batch[columns.label]
    return labels, inputs


def _refuse_missing_cells(batch: dict[str, list[Any]], names: list[str], first_row: int, where: str) -> None:
    for name in names:
        if None in batch[name]:
            row = first_row + batch[name].index(None)
            raise InputError(f"{where}: row {row}: {name} is missing", "remove or complete the row")


def _image(cell: dict[str, Any], colour: bool, size: int | None, folder: Path, where: str) -> NDArray[np.uint8]:
    """The image of a cell, whose content is in the cell itself or in a file of the set's folder."""
    content = cell.get("bytes")
    return decode_image(_file(cell.get("path"), folder, where) if content is None else content, where, colour, size)


def _refuse_other_size(image: NDArray[np.uint8], first: NDArray[np.uint8], where: str) -> None:
    refuse_other_size(image, first, f"{where}: it", "row 0", "size=32 scales all to 32 x 32")


def _file(path: str | None, folder: Path, where: str) -> bytes:
    """The content of an image's own file; InputError if the path leaves the set's folder."""
    root = folder if folder.is_dir() else folder.parent
    file = Path(path or "")
    try:
        file = file.resolve()
        if not path or not file.is_relative_to(root.resolve()):
            raise InputError(f"{where}: neither an image nor a file of this folder: {path!r}", "store the bytes")
        return file.read_bytes()
    except OSError as error:
        raise unreadable_file(file, where, error, "fetch the set again") from None


def _numbers(cells: list[Any], row: int, where: str) -> NDArray[Any]:
    """`[n, d]` from n numbers or n lists of d numbers; `row` is the number of the first."""
    rows = f"rows {row} to {row + len(cells) - 1}"
    lengths = {len(cell) if isinstance(cell, list) else 0 for cell in cells}
    if len(lengths) > 1:
        message = f"{where}: {rows} have {min(lengths)} to {max(lengths)} numbers"
        raise InputError(message, "all rows need as many numbers")
    values = np.array(cells)
    if values.dtype.kind not in "fiub":
        raise InputError(
            f"{where}: {rows} hold more than numbers", "remove nulls; store lists of numbers, not of lists"
        )
    return values.reshape(len(cells), -1)
