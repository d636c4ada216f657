"""SamplesFile: the samples in a file of stored outputs, with the names of its classes and its other columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError, did_you_mean
from calibench.outputs.arrays import Labels
from calibench.outputs.outputs import Outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class SamplesFile:
    """N samples of a file, checked: their outputs, their labels, and a value a sample of every other column."""

    path: str
    outputs: Outputs
    labels: Labels | None
    """Class indices `[N]`, or 0 and 1 `[N Q]` beside the outputs of Q labels a sample; None for a file without labels."""
    class_names: tuple[str, ...] | None = None
    """The name of each class, in the order of the outputs' columns; None where the file has no names and positions are taken."""
    others: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Columns or arrays of one value a sample that are neither scores nor labels, by name, as weights or groups."""
    notes: tuple[str, ...] = ()
    """Sentences about how the file was read, for the user: an index column left out, the positive class, rows left out."""

    unused: tuple[str, ...] = ()
    """The names in the file that are neither scores nor labels."""
    soft: NDArray[Any] | None = None
    """The shares `[N, K]` of people who gave each label, where the file has these in place of labels."""

    @property
    def samples(self) -> tuple[Outputs, Labels]:
        """Outputs and labels. InputError for a file without labels."""
        if self.labels is None:
            raise InputError(f"{self.path}: the labels are missing", "name their column or array: --labels NAME")
        return self.outputs, self.labels

    def other(self, name: str) -> NDArray[Any]:
        """The column `name`, `[N]`. InputError suggesting a similar name if there is none."""
        if name not in self.others:
            message = f"{self.path}: beside scores and labels there is no {name!r} of one value a sample"
            raise InputError(message, did_you_mean(name, self.others))
        return self.others[name]
