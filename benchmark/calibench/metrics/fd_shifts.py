"""The areas of FD-Shifts: straight lines between the points of the risk-coverage curve, one point for each distinct confidence."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.sample_weight import nonzero
from calibench.plugins.params import Param

FD_SHIFTS = "fd-shifts"

LIKE = Param(
    "like",
    "str",
    None,
    "fd-shifts: the area below straight lines between the points of the curve, as the code FD-Shifts has it",
    choices=(FD_SHIFTS,),
)


def tie_sums(values: Floats, starts: Ints) -> Floats:
    """Sums of `values [B, N]`, in rank order, over each run of ties, `[B, T]`; `starts` as `aurc.rank` returns them."""
    return values if len(starts) == values.shape[1] else np.add.reduceat(values, starts, axis=1)


def trapezoid_aurc(size: Floats, errors: Floats) -> Floats:
    """Area below the selective risk, `[B]`, from the samples and errors of each tie, `[B, T]`, the surest tie first.

    From coverage 0 to the first point the risk is that of the first point.
    """
    accepted = size.cumsum(axis=1)
    risk = errors.cumsum(axis=1) / nonzero(accepted)
    before = np.concatenate([risk[:, :1], risk[:, :-1]], axis=1)
    before = np.where(accepted > size, before, risk)
    area: Floats = (size * (risk + before) / 2).sum(axis=1) / accepted[:, -1]
    return area


def trapezoid_augrc(size: Floats, errors: Floats) -> Floats:
    """Area below the generalized risk (errors among the accepted / N), `[B]`, from (0, 0); `[B, T]` as above."""
    until = errors.cumsum(axis=1)
    area: Floats = (size * (until - errors / 2)).sum(axis=1) / size.sum(axis=1) ** 2
    return area


def best_aurc(wrong_share: Floats) -> Floats:
    """The smallest area below the selective risk at the error rate e, `[B]`: e + (1 - e) ln(1 - e), that of N = infinity."""
    right = 1 - wrong_share
    return wrong_share + right * np.log(np.where(right > 0, right, 1))
