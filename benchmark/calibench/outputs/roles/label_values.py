"""From labels as a file holds them (numbers, words, booleans, bytes, one-hot rows) to class indices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.roles.class_names import LONGEST_LIST, ClassNames, canonical, is_whole, listed, shown
from calibench.outputs.roles.polarity import same_in_other_words

if TYPE_CHECKING:
    from numpy.typing import NDArray


MISSING = ("None", "nan", "<NA>", "NaT")
"""The texts of missing values that are no text."""

LARGEST = 1 << 62
"""A larger number is no class of any file."""

MOST_DIGITS = 18
"""A number of more digits counts as that large."""


class ClassIndices(NamedTuple):
    """Class indices `[N]`, and how labels were matched to columns."""

    labels: NDArray[np.int64]
    by_position: bool
    """True if a label is the number of a column, and no name."""
    order: tuple[str, ...] | None = None
    """The classes in the order that columns were taken in, where labels are words and columns have no names."""
    note: str = ""
    """A sentence for the user, where labels say the same as names in other words."""


def class_indices(
    values: NDArray[Any], names: ClassNames | None, classes: int, path: object, name: str, first: int = 0
) -> ClassIndices:
    """The class of each of `values [N]` among `classes` columns.

    A label that names a column is that class, whatever it looks like. A whole number is the number of a column only where no
    column is named by a number. Without names, words stand for the columns in sorted order. `first` is the number of the first
    row, if these are a block of a larger file. Raises InputError naming the row.
    """
    texts, inverse = _distinct(values, path, name, first, names)
    if names is None:
        return _without_names(texts, inverse, classes, path, name, first)
    places, by_position = np.empty(len(texts), dtype=np.int64), []
    named = [names.place(text) for text in texts]
    same = same_in_other_words(texts, names.short) if None in named else None
    if same is not None:
        means = ", ".join(f"{text} is {names.full[place]!r}" for text, place in zip(texts, same, strict=True))
        return ClassIndices(np.array(same, dtype=np.int64)[inverse], False, None, f"labels are in other words: {means}")
    for number, (text, place) in enumerate(zip(texts, named, strict=True)):
        if place is not None:
            places[number] = place
            continue
        position = _position(text)
        if names.numbered or position is None:
            row = first + int(np.flatnonzero(inverse == number)[0])
            raise _unknown(text, row, names, path, name, texts)
        places[number] = position
        by_position.append(text)
    if by_position and len(by_position) < len(texts):
        row = first + int(np.flatnonzero(inverse == texts.index(by_position[0]))[0])
        message = f"{path}: row {row}: {name} is {shown(by_position[0])!r}, and other rows name their class"
        raise InputError(message, f"the classes are {listed(names.full)}: use one of these in every row")
    return ClassIndices(places[inverse], bool(by_position))


def _unknown(text: str, row: int, names: ClassNames, path: object, name: str, texts: list[str]) -> InputError:
    text = shown(text)
    if names.numbered:
        message = f"{path}: row {row}: {name} is {text!r}, none of the classes {listed(names.short)} that columns are named after"
        return InputError(
            message, f"{in_sorted_order(texts, len(names.full))} names the columns of scores otherwise, in their order"
        )
    message = f"{path}: row {row}: {name} is {text!r}, no class index and no score column's name"
    ignore = f"'{text}'" if text else "nan"
    hint = f"use 0 .. {len(names.full) - 1}, or one of {listed(names.short)}; rows without a label: --ignore {ignore}"
    return InputError(message, hint)


def in_sorted_order(labels: list[str], classes: int) -> str:
    """The option that names columns as the different `labels` are, in their sorted order, as scikit-learn has them."""
    import shlex

    if len(labels) != classes or classes > LONGEST_LIST or any("," in label for label in labels):
        return "--classes A,B,..."
    numbers = all(is_whole(label) for label in labels)
    words = ",".join(sorted(labels, key=lambda text: _position(text) or 0) if numbers else sorted(labels))
    return f"--classes={words}" if words.startswith("-") else f"--classes {shlex.quote(words)}"


def _without_names(
    texts: list[str], inverse: NDArray[Any], classes: int, path: object, name: str, first: int
) -> ClassIndices:
    positions = [_position(text) for text in texts]
    if None not in positions:
        return ClassIndices(np.array(positions, dtype=np.int64)[inverse], True)
    if any(is_whole(text) for text in texts) or len(texts) != classes:
        number = positions.index(None)
        row = first + int(np.flatnonzero(inverse == number)[0])
        message = (
            f"{path}: row {row}: {name} is {shown(texts[number])!r}, and the {classes} columns of scores have no names"
        )
        hint = f"--classes A,B,... names them, in their order; the labels are {listed(texts)}"
        raise InputError(message, hint)
    return ClassIndices(inverse.astype(np.int64), False, tuple(texts))


def _position(text: str) -> int | None:
    """The whole number that a label is, or None."""
    if text in ("True", "False"):
        return int(text == "True")
    if not is_whole(text):
        return None
    digits = text.partition(".")[0].lstrip("+-0")
    size = int(digits or "0") if len(digits) <= MOST_DIGITS else LARGEST  # Python makes none of over 4300 digits
    return -size if text.startswith("-") else size


def _as_written(values: NDArray[Any], names: ClassNames | None) -> tuple[list[str], NDArray[Any]] | None:
    """The different labels as they are written, if every one of them is a name so: `01` beside `1`, and 1.5; else None."""
    if names is None or values.dtype.kind not in "OUf" or (values.dtype.kind == "f" and not np.isfinite(values).all()):
        return None
    texts = [str(value).strip() for value in values.tolist()]
    if not set(texts) <= {*names.full, *names.short}:
        return None
    distinct, inverse = np.unique(np.array(texts, dtype=object), return_inverse=True)
    return distinct.tolist(), inverse


def _distinct(
    values: NDArray[Any], path: object, name: str, first: int, names: ClassNames | None = None
) -> tuple[list[str], NDArray[Any]]:
    """The different labels as text, sorted, and the number of each row's."""
    written = _as_written(values, names)
    if written is not None:
        return written
    if values.dtype.kind == "f":
        whole = np.isfinite(values) & (np.floor(values) == values)
        if not whole.all():
            row = int(np.flatnonzero(~whole)[0])
            hint = "store class indices as integers, or class names; rows without a label: --ignore nan"
            raise InputError(f"{path}: row {first + row}: {name!r} is {values[row]}, no class index", hint)
    if values.dtype.kind not in "biufSUO":
        raise InputError(f"{path}: {name!r} has type {values.dtype}", "store class indices as integers, or class names")
    if values.dtype.kind == "O":
        missing = np.array([not isinstance(value, str) and str(value) in MISSING for value in values], dtype=bool)
        if missing.any():
            row = first + int(np.flatnonzero(missing)[0])
            raise InputError(f"{path}: row {row}: {name} is missing", "fill or drop the row, or --ignore nan")
        values = np.array([canonical(value) for value in values], dtype=object)
    distinct, inverse = np.unique(values, return_inverse=True)
    texts = [canonical(value) for value in distinct.tolist()]
    if len(set(texts)) < len(texts):  # as "1" and "1.0"
        forms, again = np.unique(np.array(texts, dtype=object), return_inverse=True)
        return forms.tolist(), again[inverse]
    return texts, inverse


def from_one_hot(labels: NDArray[Any]) -> NDArray[np.int64] | None:
    """The class of each row of `labels [N, K]` with one 1 and 0 elsewhere; None for other rows."""
    if labels.dtype.kind not in "biuf" or labels.shape[1] < 2 or not len(labels):
        return None
    ones = labels == 1
    if not ((ones.sum(axis=1) == 1).all() and (ones | (labels == 0)).all()):
        return None
    classes: NDArray[np.int64] = ones.argmax(axis=1).astype(np.int64)
    return classes
