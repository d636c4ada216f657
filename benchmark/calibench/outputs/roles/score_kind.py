"""Probabilities or logits: what scores are, if their file does not say so, and probabilities that are rounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.outputs import LOGITS_HINT, SUM_TOLERANCE
from calibench.outputs.refuse_rows import refuse_rows
from calibench.outputs.roles.class_names import listed
from calibench.outputs.roles.shapes import PADDED_LOGIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_DECIMALS = 6
"""Probabilities of more decimals need no more tolerance than `SUM_TOLERANCE`."""

BFLOAT16 = 2.0**-8
"""The relative error of a number in bfloat16, with room for a second rounding."""


class Scores(NamedTuple):
    """Scores with their kind, and sentences for the user."""

    values: NDArray[Any]
    from_probs: bool
    notes: tuple[str, ...] = ()


def with_kind(
    values: NDArray[Any], from_probs: bool | None, where: str, several: bool = False, names: Sequence[str] = ()
) -> Scores:
    """The scores `[N, K]`, as logits or probabilities; `from_probs` None asks their values.

    Percentages become fractions. Probabilities that are rounded are scaled to sum 1 if the number of their digits explains the
    sums. `names` are those of the scores. With `several` labels a sample, rows need not sum to 1. Scores that are not sound stay
    as they are: `Outputs.check` names their first bad row.
    """
    if from_probs is False or not values.size or not np.isfinite(values).all():
        return Scores(values, from_probs is not False)
    lowest, highest = float(values.min()), float(values.max())
    if several:
        logits = from_probs is None and (lowest < 0 or highest > 1)
        return Scores(values, not logits, (_taken_as_logits(lowest, highest),) if logits else ())
    sums = values.sum(axis=1, dtype=np.float64)
    if lowest >= 0 and highest > 1 and _are_percent(values, sums):
        scaled = values.astype(np.float64) / 100
        return _summing_to_one(scaled, where, ("rows sum to 100: the scores are taken as percent",))
    if lowest >= 0 and highest <= 1 + SUM_TOLERANCE:
        return _summing_to_one(values, where, ())
    if from_probs is None and lowest < 0:
        return Scores(values, False, (_taken_as_logits(float(values[values > -PADDED_LOGIT / 2].min()), highest),))
    if from_probs is None:
        problem = "probabilities lie outside [0, 1], and logits would also be negative"
        hint = f"these are taken as scores: {listed(names)}; others? --probs A,B,... or --logits A,B,... names them"
        refuse_rows((values > 1 + SUM_TOLERANCE).any(axis=1), where, problem, hint)
    return Scores(values, True)


def _taken_as_logits(lowest: float, highest: float) -> str:
    return f"the scores are taken as logits: they run from {lowest:.3g} to {highest:.3g}"


def _are_percent(values: NDArray[Any], sums: NDArray[np.float64]) -> bool:
    """True if every row sums to 100, within the rounding of its digits."""
    return bool((np.abs(sums - 100) <= 100 * max(SUM_TOLERANCE, _tolerance(values / 100))).all())


def _summing_to_one(values: NDArray[Any], where: str, notes: tuple[str, ...]) -> Scores:
    sums = values.sum(axis=1, dtype=np.float64)
    off = np.abs(sums - 1)
    worst = float(off.max())
    if worst <= SUM_TOLERANCE:
        return Scores(values, True, notes)
    allowed = max(_tolerance(values), SUM_TOLERANCE)
    if worst > allowed:
        _refuse(values, sums, allowed, where)
        return Scores(values, True, notes)
    low, high = float(sums.min()), float(sums.max())
    note = f"probabilities are rounded to {_digits(values)}: rows sum to {low:.4g} to {high:.4g}, and are scaled to sum to 1"
    return Scores(values.astype(np.float64) / sums[:, None], True, (*notes, note))


def _refuse(values: NDArray[Any], sums: NDArray[np.float64], allowed: float, where: str) -> None:
    """InputError for rows whose sums miss 1 by more than `allowed`, with the cause where most do.

    A few bad rows of numbers that are not rounded are left to `Outputs.check`.
    """
    bad = np.abs(sums - 1) > allowed
    most = bad.mean() >= 0.5 and len(sums) >= FEWEST_ROWS
    if not most and allowed <= SUM_TOLERANCE:
        return
    low, high, row = float(sums.min()), float(sums.max()), int(np.flatnonzero(bad)[0])
    message = (
        f"{where}: row {row}: probabilities do not sum to 1 within {allowed:.4g}, as far as the rounding of {_digits(values)} "
        f"explains: rows sum to {low:.4g} to {high:.4g}"
    )
    if not most:
        raise InputError(message, f"correct the row, whose sum is {sums[row]:.4g}; {LOGITS_HINT}")
    if high < 1 + SUM_TOLERANCE:
        hint = "a class is missing: give a column for each (of the k largest alone: topk_probs, topk_classes)"
        raise InputError(message, hint)
    raise InputError(message, "one sigmoid a class? then labels are [N, Q] of 0 and 1; else divide each row by its sum")


FEWEST_ROWS = 5
"""Of fewer rows no common cause is told."""


def _decimals(values: NDArray[Any]) -> int | None:
    """The number of decimals that all values have at most; None for more than six."""
    numbers = values.astype(np.float64)
    for decimals in range(1, MOST_DECIMALS + 1):
        scaled = numbers * 10**decimals
        if np.abs(scaled - np.round(scaled)).max() <= 1e-6 * 10 ** (decimals - 1):
            return decimals
    return None


def _is_bfloat16(values: NDArray[Any]) -> bool:
    """True if every value is one of bfloat16, which has 8 bits."""
    narrow = values.astype(np.float32)
    return bool((narrow.astype(np.float64) == values).all() and not (narrow.view(np.uint32) & 0xFFFF).any())


def _tolerance(values: NDArray[Any]) -> float:
    """How far a row may miss 1 because its values are rounded."""
    classes = values.shape[1]
    decimals = _decimals(values)
    if decimals is not None:
        return float(classes * 0.5 * 10.0**-decimals * 1.000001)
    if values.dtype == np.float16:
        return float(SUM_TOLERANCE + classes * 2.0**-25)
    return BFLOAT16 if _is_bfloat16(values) else SUM_TOLERANCE


def _digits(values: NDArray[Any]) -> str:
    decimals = _decimals(values)
    if decimals is not None:
        return f"{decimals} decimal{'s' if decimals > 1 else ''}"
    return "bfloat16" if _is_bfloat16(values) else f"{values.dtype.itemsize * 8} bits"
