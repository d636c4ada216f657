"""Columns of a Hugging Face data set as arrays: pictures, numbers and lists of them, and classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench import InputError
from calibench.errors import did_you_mean
from calibench.lazy import np
from calibench_datasets.sources.pictures import picture, pillow, refuse_other_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = 256

_NUMBERS = (
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
)


@dataclass(frozen=True)
class Wanted:
    """Which columns are read: `image` or numeric `columns`, and `label` with its class names where the set has them."""

    image: str | None
    columns: tuple[str, ...]
    label: str
    names: tuple[str, ...] | None


def wanted_of(stream: Any, image: str | None, features: str | None, label: str | None, where: str) -> Wanted:
    """The columns that the user named, or the only ones that it can be; InputError with the columns that there are."""
    import datasets

    held = dict(stream.features or {})
    kinds = ", ".join(f"{name} ({_kind(kind)})" for name, kind in held.items())
    if image is not None and features is not None:
        raise InputError(f"{where}: image={image} and features={features} are two inputs", "name one of them")
    columns = () if features is None else tuple(name.strip() for name in features.split(";"))
    for name in (*columns, *([image] if image else []), *([label] if label else [])):
        if name not in held:
            raise InputError(f"{where}: there is no column {name!r}", f"{did_you_mean(name, held)} It has {kinds}")
    if not columns and image is None:
        image = _only([n for n, k in held.items() if isinstance(k, datasets.Image)], "pictures", "image", where, kinds)
    if label is None:
        label = _only(
            [n for n, k in held.items() if isinstance(k, datasets.ClassLabel)], "classes", "label", where, kinds
        )
    if image is not None and not isinstance(held[image], datasets.Image):
        raise InputError(f"{where}: column {image!r} holds {_kind(held[image])}, no pictures", "numbers: features=NAME")
    for name in columns:
        inner = getattr(held[name], "feature", held[name])
        if getattr(inner, "dtype", None) not in _NUMBERS or isinstance(
            held[name], datasets.Image | datasets.ClassLabel
        ):
            hint = "columns of numbers, or of lists of them; of text store embeddings"
            raise InputError(f"{where}: column {name!r} holds {_kind(held[name])}", hint)
    kind = held[label]
    if not isinstance(kind, datasets.ClassLabel) and getattr(kind, "dtype", None) not in (
        *_NUMBERS[3:],
        "string",
        "large_string",
    ):
        raise InputError(f"{where}: label={label}: it holds {_kind(kind)}", "classes are words or whole numbers")
    if label in columns:
        raise InputError(f"{where}: {label!r} is the label and a feature", "leave it out of features")
    return Wanted(image, columns, label, tuple(kind.names) if isinstance(kind, datasets.ClassLabel) else None)


def _only(names: list[str], what: str, key: str, where: str, kinds: str) -> str:
    if len(names) != 1:
        more = " or features=A;B of numbers" if key == "image" else ""
        message = f"{where}: {len(names) or 'no'} columns hold {what}; it has {kinds}"
        raise InputError(message, f"say which: {key}=NAME{more}")
    return names[0]


def _kind(kind: Any) -> str:
    """A column's type in a word or two."""
    inner = getattr(kind, "feature", None)
    if inner is not None:
        return f"lists of {_kind(inner)}"
    return str(getattr(kind, "dtype", None) or "") if type(kind).__name__ == "Value" else type(kind).__name__


def rows_of(
    stream: Any, wanted: Wanted, colour: bool, size: int | None, folder: Path, where: str
) -> tuple[NDArray[Any], list[Any]]:
    """Inputs `[N, ...]` and labels as they stand in the file, of one split; InputError naming the row."""
    import datasets

    names = [name for name in (wanted.image, *wanted.columns, wanted.label) if name]
    gone = [name for name in names if name not in (stream.features or {})]
    if gone:
        raise InputError(f"{where}: there is no column {gone[0]!r}", "all splits need the columns of train")
    if wanted.image:
        pillow()
        stream = stream.cast_column(wanted.image, datasets.Image(decode=False))
    parts: list[NDArray[Any]] = []
    labels: list[Any] = []
    for batch in stream.select_columns(names).iter(batch_size=BATCH):
        row = len(labels)
        for name in names:
            if None in batch[name]:
                raise InputError(f"{where}: row {row + batch[name].index(None)}: {name} is missing", "mend the set")
        labels += batch[wanted.label]
        if wanted.image:
            parts += _pictures(batch[wanted.image], row, colour, size, folder, f"{where}: {wanted.image}", parts)
        else:
            parts.append(np.concatenate([_numbers(batch[n], row, f"{where}: {n}") for n in wanted.columns], axis=1))
    if not labels:
        raise InputError(f"{where}: it has no rows", "name another split")
    if not wanted.image and len({part.shape[1] for part in parts}) > 1:
        raise InputError(f"{where}: its lists differ in length", "all rows need as many numbers")
    return (np.stack(parts) if wanted.image else np.concatenate(parts)), labels


def _pictures(
    cells: list[dict[str, Any]],
    row: int,
    colour: bool,
    size: int | None,
    folder: Path,
    where: str,
    before: list[NDArray[Any]],
) -> list[NDArray[np.uint8]]:
    found: list[NDArray[np.uint8]] = []
    for number, cell in enumerate(cells, row):
        at = f"{where}, row {number}"
        content = cell.get("bytes")
        values = picture(_beside(cell.get("path"), folder, at) if content is None else content, at, colour, size)
        refuse_other_size(
            values, (before or found or [values])[0], f"{at}: it", "row 0", "size=32 scales all to 32 x 32"
        )
        found.append(values)
    return found


def _beside(path: str | None, folder: Path, where: str) -> bytes:
    """The picture's own file, if it is one of the folder's; a path that leads elsewhere is not followed."""
    root = folder if folder.is_dir() else folder.parent
    try:
        file = Path(path or "").resolve()
        if not path or not file.is_relative_to(root.resolve()):
            raise InputError(f"{where}: neither a picture nor a file of this folder: {path!r}", "store the bytes")
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{where}: cannot read {path!r}: {error.strerror or error}", "fetch the set again") from None


def _numbers(cells: list[Any], row: int, where: str) -> NDArray[Any]:
    """`[n, d]` of numbers or lists of numbers of one length."""
    lengths = {len(cell) if isinstance(cell, list) else 0 for cell in cells}
    if len(lengths) > 1:
        message = f"{where}: rows {row} to {row + len(cells) - 1} have {min(lengths)} to {max(lengths)} numbers"
        raise InputError(message, "all rows need as many numbers")
    values = np.array(cells)
    if values.dtype.kind not in "fiub":
        raise InputError(
            f"{where}: rows {row} to {row + len(cells) - 1} hold more than numbers", "nulls, or lists of lists"
        )
    return values.reshape(len(cells), -1)


def classes_of(
    wanted: Wanted, labels: Mapping[str, list[Any]], where: str
) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
    """What the classes are called, and every split's class indices."""
    if wanted.names is None:
        values = sorted({value for column in labels.values() for value in column})
        place = {value: k for k, value in enumerate(values)}
        return [str(v) for v in values], {
            part: np.array([place[value] for value in column], dtype=np.int64) for part, column in labels.items()
        }
    found = {part: np.array(column, dtype=np.int64) for part, column in labels.items()}
    for part, indices in found.items():
        outside = (indices < 0) | (indices >= len(wanted.names))
        if outside.any():
            row = int(np.argmax(outside))
            message = (
                f"{where}: {part}: the label of row {row} is {indices[row]}, no class; {int(outside.sum())} are so"
            )
            raise InputError(message, "a hidden test split is no use here: test_split=validation, or another")
    return list(wanted.names), found
