"""Arrays: the data that a dataset plugin returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


Pair: TypeAlias = "tuple[NDArray[np.generic], NDArray[np.generic]]"
"""Rows and labels of one split."""


@dataclass(frozen=True)
class Arrays:
    """Rows `x [N, ...]` and class indices `y [N]`; if `test`, `val` or `cal` is missing, it is held out of these rows.

    If a row has several labels, y is `[N, Q]` of 0 and 1, one column a label.

    For a network that is already trained, x holds the features `[N, D]` that its body computes, and `head_weight [K, D]`
    and `head_bias [K]` are its last layer. `notes` go into the record: facts that a reader must know about the data.
    """

    x: NDArray[np.generic]
    y: NDArray[np.generic]
    test: Pair | None = None
    val: Pair | None = None
    cal: Pair | None = None
    head_weight: NDArray[np.generic] | None = None
    head_bias: NDArray[np.generic] | None = None
    notes: tuple[str, ...] = field(default=())
    repeats: Literal["refuse", "drop", "allow"] = "refuse"
    """The treatment of training rows whose content is also in test, val or cal: `refuse` raises an error, `drop` leaves them out
    of train and notes in the record how many there are. `drop` is for published splits, which their users cannot correct.
    Dropping does not change the numbers of the other rows. `allow` is for stored outputs: equal outputs are no equal samples."""
    test_soft: NDArray[np.generic] | None = None
    """Shares `[N, K]` of people who gave each label to each row of `test`; `soft_nll` and `soft_brier` judge by them."""
    group: str = ""
    """The data behind these rows, where several datasets share it, as outputs of several classifiers do: boards over all data
    sets then count it once. Empty: these rows are a data set of their own."""
    class_names: tuple[str, ...] = ()
    """The names of the K classes in order, if the data have names: settings such as `threshold:positive=` may then use them."""
