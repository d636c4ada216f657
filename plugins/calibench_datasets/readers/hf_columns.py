"""Columns of a Hugging Face data set: the choice of columns, and the names of its classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calibench import InputError
from calibench.errors import did_you_mean
from calibench.lazy import np
from calibench_datasets.readers.names import split_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLOATS = ("float16", "float32", "float64")
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
_WORDS = ("string", "large_string")


@dataclass(frozen=True)
class HfColumns:
    """The columns that are read: `image` or numeric `features`, and `label`, with the names of its classes if the set has them."""

    image: str | None
    features: tuple[str, ...]
    label: str
    classes: tuple[str, ...] | None

    @property
    def names(self) -> list[str]:
        """The names of the columns that are read."""
        return [name for name in (self.image, *self.features, self.label) if name]


def choose_columns(
    types: Mapping[str, Any], image: str | None, features: str | None, label: str | None, where: str
) -> HfColumns:
    """The columns that the user named, or the only ones that qualify, from the types of the set's columns by name.

    InputError, which lists the columns, for one that is missing or of another type, and if several or none qualify.
    """
    import datasets

    listing = ", ".join(f"{name} ({_type_name(kind)})" for name, kind in types.items())
    if image is not None and features is not None:
        raise InputError(f"{where}: image={image} and features={features} are two inputs", "name one of them")
    numeric = split_names(features)
    for name in (*numeric, *([image] if image else []), *([label] if label else [])):
        if name not in types:
            hint = f"{did_you_mean(name, types)} It has {listing}"
            raise InputError(f"{where}: there is no column {name!r}", hint)
    if not numeric and image is None:
        image = _only(types, datasets.Image, "image", where, listing)
    if label is None:
        label = _only(types, datasets.ClassLabel, "label", where, listing)
    _check_inputs(types, image, numeric, where)
    if label in numeric:
        raise InputError(f"{where}: {label!r} is the label and a feature", "leave it out of features")
    return HfColumns(image, numeric, label, _classes(types[label], label, where))


def _only(types: Mapping[str, Any], kind: type, key: str, where: str, listing: str) -> str:
    """The only column of a type; `key` is the parameter that names it."""
    names = [name for name, column in types.items() if isinstance(column, kind)]
    if len(names) != 1:
        content, alternative = {"image": ("images", " or features=A;B of numbers"), "label": ("classes", "")}[key]
        message = f"{where}: {len(names) or 'no'} columns hold {content}; it has {listing}"
        raise InputError(message, f"say which: {key}=NAME{alternative}")
    return names[0]


def _check_inputs(types: Mapping[str, Any], image: str | None, features: tuple[str, ...], where: str) -> None:
    import datasets

    if image is not None and not isinstance(types[image], datasets.Image):
        message = f"{where}: column {image!r} holds {_type_name(types[image])}, not images"
        raise InputError(message, "numbers: features=NAME")
    for name in features:
        kind = types[name]
        item = getattr(kind, "feature", kind)
        is_number = getattr(item, "dtype", None) in (*_FLOATS, *_INTEGERS)
        if not is_number or isinstance(kind, datasets.Image | datasets.ClassLabel):
            hint = "name columns of numbers, or of lists of numbers; for text, store embeddings"
            raise InputError(f"{where}: column {name!r} holds {_type_name(kind)}", hint)


def _classes(kind: Any, label: str, where: str) -> tuple[str, ...] | None:
    """The class names of a ClassLabel; None for words or whole numbers; InputError for other types."""
    import datasets

    if isinstance(kind, datasets.ClassLabel):
        return tuple(kind.names)
    if getattr(kind, "dtype", None) not in (*_INTEGERS, *_WORDS):
        raise InputError(f"{where}: label={label}: it holds {_type_name(kind)}", "classes are words or whole numbers")
    return None


def _type_name(kind: Any) -> str:
    """A column's type in a word or two."""
    item = getattr(kind, "feature", None)
    if item is not None:
        return f"lists of {_type_name(item)}"
    return str(getattr(kind, "dtype", None) or "") if type(kind).__name__ == "Value" else type(kind).__name__


def class_indices(
    classes: tuple[str, ...] | None, labels: Mapping[str, list[Any]], where: str
) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
    """The names of the classes, and the class indices of each split's labels.

    Without `classes` they are the values of all splits in sorted order. InputError for an index that is not a class.
    """
    if classes is None:
        values = sorted({value for column in labels.values() for value in column})
        index = {value: k for k, value in enumerate(values)}
        return [str(value) for value in values], {
            part: np.array([index[value] for value in column], dtype=np.int64) for part, column in labels.items()
        }
    indices = {part: np.array(column, dtype=np.int64) for part, column in labels.items()}
    for part, y in indices.items():
        outside = (y < 0) | (y >= len(classes))
        if outside.any():
            row = int(np.argmax(outside))
            first = f"the first is {y[row]} in row {row}"
            message = f"{where}: {part}: {int(outside.sum())} labels are not classes; {first}"
            hint = "a test split with hidden labels cannot be judged: test_split=validation, or another"
            raise InputError(message, hint)
    return list(classes), indices
