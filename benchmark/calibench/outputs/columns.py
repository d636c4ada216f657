"""Columns: the names of arrays and columns that a user gives for a file of outputs, and how to read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from calibench.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BY_POSITION = "classes are matched by position: the file does not name them; --classes does"
"""The note about scores that are one array without names of classes."""

COMBINE = ("mean", "logit-mean", "each")
"""What may be done with the members of an ensemble."""


@dataclass(frozen=True)
class Columns:
    """The names of scores and labels in a file, and how to read it. None means the usual name, or what the file shows.

    In a file of arrays, each is the name of an array. In a table, `logits` and `probs` are column names or patterns joined by
    commas, and so is `label` if a row has several labels. `label` may also be a file of labels alone, as `y.npy`.
    """

    logits: str | None = None
    probs: str | None = None
    label: str | None = None
    positive: str | None = None
    """The class that one column of probabilities or logits is of, where there are two classes."""
    classes: tuple[str, ...] | None = None
    """The names of the classes in the order of the columns of scores; they replace the file's own names."""
    ignore: str | None = None
    """The label of rows to leave out. Without it, labels of -100 are left out if no class is called so."""
    combine: str | None = None
    """What to do with scores `[M, N, K]` of an ensemble: `mean` of probabilities, `logit-mean`, or `each` member by itself."""
    member: int | None = None
    """The one member of an ensemble to read, from 0."""
    class_axis: int | None = None
    """The axis of the classes, where scores have more than two and labels do not tell."""
    truth: str | None = None
    """A file that holds the labels of a table's rows, joined by the column `on`."""
    on: str | None = None
    """The column that a table and its `truth` share."""
    format: str | None = None
    """The reader with its parameters, as `h5:group=adult`; None finds it by the ending and the content of the file."""
    others: tuple[str, ...] = ()
    """Columns that are neither scores nor labels, as weights and groups that the user names."""
    to_fit: bool = False
    """True for samples to fit on, where a file holds these beside the ones to judge."""


def refuse_both(columns: Columns) -> None:
    """InputError if scores are named as logits and as probabilities, or if a setting is no known one."""
    if columns.logits and columns.probs:
        raise InputError("the scores are logits or probabilities, not both", "give --logits or --probs")
    if columns.combine is not None and columns.combine not in COMBINE:
        raise InputError(f"--combine {columns.combine} is not known", did_you_mean(columns.combine, COMBINE))
    if (columns.truth is None) != (columns.on is None):
        raise InputError("--truth FILE and --on COLUMN go together", "give both, as --truth labels.csv --on filename")


class StoredSamples(NamedTuple):
    """Scores and labels as a file holds them, not yet checked."""

    scores: NDArray[Any]
    """[N, K] logits or probabilities; `[N, Q]` if a row has Q labels."""
    labels: NDArray[np.int64] | None
    """[N] class indices, or `[N, Q]` of 0 and 1; None if the file has none and none are needed."""
    from_probs: bool
    class_names: tuple[str, ...] | None = None
    """The names of the columns of scores, if they have names."""
    others: Mapping[str, NDArray[Any]] = MappingProxyType({})
    """Every other column or array of one value a sample."""
    notes: tuple[str, ...] = ()
    """Sentences about how the file was read."""
    unused: tuple[str, ...] = ()
    """The names in the file that are neither scores nor labels nor explained by a note."""
    soft: NDArray[Any] | None = None
    """The shares `[N, K]` of people who gave each label, where the file has these in place of labels."""
    top_label_only: bool = False
    """True if the one column of scores is the confidence of an answer, and labels are 0 where it is right and 1 where not."""


def array_named(name: str, arrays: Mapping[str, NDArray[Any]], path: object) -> NDArray[Any]:
    """The array or column `name`. Raises InputError suggesting a similar name if there is none."""
    if name not in arrays:
        raise InputError(f"{path}: there is no {name!r}", did_you_mean(name, arrays))
    return arrays[name]
