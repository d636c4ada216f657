"""Content: the named arrays of a file of outputs, as a reader returns them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Content:
    """What a reader returns: arrays or columns by name, not yet told apart into scores, labels and others.

    Columns are arrays `[N]` of numbers, words or objects; scores may also be one array `[N, K]` or of more axes, padded with NaN
    where rows have fewer choices.
    """

    arrays: Mapping[str, NDArray[Any]]
    table: bool = True
    """True for a table, whose columns of scores are found by their values; False for a file of named arrays."""
    notes: tuple[str, ...] = ()
    """Sentences about how the file was read."""
    class_names: tuple[str, ...] | None = None
    """The names of the classes, where the file has them beside the scores."""
    logits: str | None = None
    """The array of logits, where the format tells."""
    probs: str | None = None
    """The array of probabilities, where the format tells."""
    scores: str | None = None
    """The array of scores, where the format tells that, and not whether they are logits or probabilities."""
    label: str | None = None
    """The array of labels, where the format tells."""
    unused: tuple[str, ...] = ()
    """Names in the file that the reader took for none of these and left out."""
