"""The types that a shift plugin gets and returns. It returns variants of the test split, whose rows are made on demand.

`calibench.data.load_shifts` calls the plugins and checks their results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from calibench.lazy import np
from calibench.moved import renamed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibench.data.prepare import Data

Floats: TypeAlias = "NDArray[np.float32]"
Ints: TypeAlias = "NDArray[np.int64]"


@dataclass(frozen=True)
class ShiftTask:
    """The data that a shift sees: test rows `x [n, ...]` and labels `y`, read-only, and the range of values in train and test.

    If a row has several labels, `labels_per_sample` is Q and y is `[n, Q]`.
    """

    x: Floats
    y: Ints
    num_classes: int
    labels_per_sample: int
    lowest: float
    highest: float

    @classmethod
    def of(cls, data: Data) -> ShiftTask:
        """The task for the test split of `data`."""
        parts = (data.train.x, data.test.x)
        lowest, highest = min(float(x.min()) for x in parts), max(float(x.max()) for x in parts)
        x, y = data.test.x.view(), data.test.y.view()
        x.flags.writeable = y.flags.writeable = False  # x *= 0.8 in a plugin would change the rows of later variants
        return cls(x, y, data.num_classes, data.labels_per_sample, lowest, highest)

    questions = renamed("questions", "labels_per_sample")


@dataclass(frozen=True)
class Variant:
    """One changed test split: a kind, such as `fog`, its severity, and `x()`, which makes its rows `[n, ...]`.

    `rows [n]` are the numbers of the test rows that the variant is made of, each at most once; None means all of them, in
    order. The variant has the labels of these rows. `about` goes into the record.
    """

    kind: str
    severity: float
    x: Callable[[], NDArray[Any]]
    rows: NDArray[Any] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`fog 3`."""
        return f"{self.kind} {self.severity:g}"


@dataclass(frozen=True)
class Shifted:
    """Variants, `notes` for the record, and `files`: a digest of the files from which the variants are made."""

    variants: Sequence[Variant]
    notes: tuple[str, ...] = ()
    files: str = ""
