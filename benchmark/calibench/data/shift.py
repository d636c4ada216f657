"""What a shift is given and what it returns: variants of the test split, each made when its turn comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibench.data.prepare import Data

Floats: TypeAlias = "NDArray[np.float32]"
Ints: TypeAlias = "NDArray[np.int64]"


@dataclass(frozen=True)
class ShiftTask:
    """What a shift may know: test rows `x [n, ...]` and labels `y`, read-only, and the ends of the values of train and test.

    Of several labels a row, `labels_per_sample` is Q and y is `[n, Q]`.
    """

    x: Floats
    y: Ints
    num_classes: int
    labels_per_sample: int
    lowest: float
    highest: float

    @classmethod
    def of(cls, data: Data) -> ShiftTask:
        """The task that `data` poses."""
        parts = (data.train.x, data.test.x)
        lowest, highest = min(float(x.min()) for x in parts), max(float(x.max()) for x in parts)
        x, y = data.test.x.view(), data.test.y.view()
        x.flags.writeable = y.flags.writeable = False  # x *= 0.8 in a plugin would change what is judged after it
        return cls(x, y, data.num_classes, data.labels_per_sample, lowest, highest)


@dataclass(frozen=True)
class Variant:
    """One changed test split: a kind, such as `fog`, how severe it is, and `x()`, which makes its rows `[n, ...]`.

    `rows [n]`, where given, are the test rows that it is made of, each at most once; without, it is made of all in their
    order. Its labels are those of these rows. `about` goes into the record.
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
    """Variants, with `notes` for the record and `files`, a digest of the files that they are made from."""

    variants: Sequence[Variant]
    notes: tuple[str, ...] = ()
    files: str = ""
