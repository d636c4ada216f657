"""BlockFile: a file of scores and labels that is read a block of rows at a time, so that it may be larger than memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibench.errors import InputError
from calibench.outputs.arrays import Labels, to_int64
from calibench.outputs.outputs import Outputs, check_classes
from calibench.outputs.readers.stored_array import StoredArray, check_label_type, check_score_type
from calibench.outputs.stored_outputs import outputs_of

BLOCK_NUMBERS = 1 << 19
"""A block has about so many scores (4 MB in float64)."""

FEWEST_ROWS, MOST_NUMBERS = 1 << 12, 1 << 22
"""But so many rows at least, if they have no more than so many scores: some work is done once a block for every class."""


@dataclass(frozen=True)
class Block:
    """Rows of a file, checked: `outputs [b, K]` and `labels [b]`, the first of them row `first` of the file."""

    outputs: Outputs
    labels: Labels
    first: int


class BlockFile(ABC):
    """N rows of K scores with a label each. `where` is the file, `score_bytes` the memory that all scores would take."""

    where: str
    rows: int
    classes: int
    from_probs: bool
    score_bytes: int
    class_names: tuple[str, ...] | None = None
    """The names that the user gave to the columns of scores."""
    notes: tuple[str, ...] = ()
    """How the file is read, a sentence each."""

    @abstractmethod
    def raw_blocks(self, size: int) -> Iterator[tuple[Any, Any]]:
        """Scores `[b, K]` and labels `[b]`, `size` rows at a time, not yet checked."""

    def blocks(self, size: int | None = None) -> Iterator[Block]:
        """The rows in their order, `size` at a time; by default about `BLOCK_NUMBERS` scores.

        Raises InputError that names the first bad row by its number in the file.
        """
        first = 0
        for scores, labels in self.raw_blocks(size or rows_of_a_block(self.classes)):
            outputs = outputs_of(scores, self.from_probs).check(self.where, first)
            whole = to_int64(labels)
            check_classes(whole, self.classes, self.where, first)
            yield Block(outputs, whole, first)
            first += len(whole)


def rows_of_a_block(classes: int) -> int:
    """How many rows are read at a time."""
    return max(1, BLOCK_NUMBERS // classes, min(FEWEST_ROWS, MOST_NUMBERS // classes))


class ArrayFile(BlockFile):
    """Two stored arrays: scores `[N, K]` and labels `[N]`."""

    def __init__(self, path: str | Path, scores: StoredArray, labels: StoredArray, from_probs: bool) -> None:
        """Raises InputError if the shapes or types cannot be scores and labels."""
        self.where, self.from_probs = str(path), from_probs
        self.scores, self.labels = check_score_type(scores), check_label_type(labels)
        kind = "probabilities" if from_probs else "logits"
        if len(labels.shape) == 2:
            refuse_several_labels(self.where)
        if len(scores.shape) != 2 or scores.shape[1] < 2:
            hint = "give one column per class; for a binary probability p store [1 - p, p]"
            raise InputError(f"{path}: {kind} have shape {list(scores.shape)}, not [N, K]", hint)
        if len(labels.shape) != 1:
            message = f"{path}: labels have shape {list(labels.shape)}, not [N]"
            raise InputError(message, "give one class index per row")
        self.rows, self.classes = scores.shape
        self.score_bytes = scores.size_in_bytes
        if labels.rows != self.rows:
            message = f"{path}: {self.rows} rows of scores and {labels.rows} labels"
            raise InputError(message, "give one label per row")
        if not self.rows:
            raise InputError(f"{path}: there are no rows", "give at least one sample")

    def raw_blocks(self, size: int) -> Iterator[tuple[Any, Any]]:
        """The rows of both arrays side by side."""
        yield from zip(self.scores.blocks(size), self.labels.blocks(size), strict=True)


def refuse_several_labels(where: str) -> None:
    """InputError: blocks of rows are of one label a sample."""
    raise InputError(f"{where}: samples with several labels cannot be judged in one pass", "leave out --stream")
