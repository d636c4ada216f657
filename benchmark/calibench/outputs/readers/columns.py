"""The names of arrays and columns in a file of stored outputs: the usual names, and those that a user gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from calibench.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LABEL_NAMES = ("labels", "label")
"""The usual names of the labels; the first one in the file is taken."""


@dataclass(frozen=True)
class Columns:
    """The names of scores and labels in a file. None means the usual name.

    In an `.npz`, each is the name of an array. In a table, `logits` and `probs` are column names or patterns joined by commas,
    and so is `label` if a row has several labels.
    """

    logits: str | None = None
    probs: str | None = None
    label: str | None = None


def refuse_both(columns: Columns) -> None:
    """InputError if scores are named as logits and as probabilities."""
    if columns.logits and columns.probs:
        raise InputError("the scores are logits or probabilities, not both", "give --logits or --probs")


class StoredSamples(NamedTuple):
    """Scores and labels as a file holds them, not yet checked."""

    scores: NDArray[Any]
    """[N, K] logits or probabilities; `[N, Q]` if a row has Q labels."""
    labels: NDArray[np.int64]
    """[N] class indices, or `[N, Q]` of 0 and 1."""
    from_probs: bool


def label_name(columns: Columns, arrays: Mapping[str, Any]) -> str:
    """The user's name of the labels, else the first usual name in `arrays`."""
    return columns.label or next((name for name in LABEL_NAMES if name in arrays), LABEL_NAMES[0])


def array_named(name: str, arrays: Mapping[str, NDArray[Any]], path: str | Path) -> NDArray[Any]:
    """The array or column `name`. Raises InputError suggesting a similar name if there is none."""
    if name not in arrays:
        raise InputError(f"{path}: there is no {name!r}", did_you_mean(name, arrays))
    return arrays[name]
