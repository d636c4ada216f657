"""Arrays: what a dataset plugin returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


Pair: TypeAlias = "tuple[NDArray[np.generic], NDArray[np.generic]]"


@dataclass(frozen=True)
class Arrays:
    """Rows `x [N, ...]` and class indices `y [N]`; `test`, `val` and `cal`, where not given, are held out of them.

    Where a row has several labels, y is `[N, Q]` of 0 and 1, a column for each of Q labels.

    For a network that is already trained x is what its body puts out, `[N, D]`, and `head_weight [K, D]`, `head_bias [K]`
    are its last layer. `notes` go into the record: what a reader must know of the data.
    """

    x: NDArray[np.generic]
    y: NDArray[np.generic]
    test: Pair | None = None
    val: Pair | None = None
    cal: Pair | None = None
    head_weight: NDArray[np.generic] | None = None
    head_bias: NDArray[np.generic] | None = None
    notes: tuple[str, ...] = field(default=())
    repeats: Literal["refuse", "drop"] = "refuse"
    """Training rows of the content of a row of test, val or cal: an error, or left out of train, and the record says how
    many. `drop` is for published splits, which people cannot mend; the other rows keep their numbers."""
    test_soft: NDArray[np.generic] | None = None
    """Shares `[N, K]` of people who gave each label to each row of `test`; judged by `soft_nll` and `soft_brier`."""
