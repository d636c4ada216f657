"""Bootstrap replicates of rows, from which ranks and intervals of changes are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from calibench.errors import InputError
from calibench.lazy import np
from calibench.records.record import ResultRecord
from calibench.records.store import read_predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUANTILES = (0.025, 0.975)
PREFIX = "bootstrap."
"""Before a metric's name in the predictions file."""

Values: TypeAlias = "NDArray[np.float64]"
"""A figure in every resample `[B]` of the test samples, averaged over a row's seeds; NaN if undefined."""

Replicates: TypeAlias = "dict[str, Values]"
"""Values by metric."""


def read_replicates(
    runs: Mapping[str, Sequence[ResultRecord]], results: Path
) -> tuple[dict[str, Replicates], list[str]]:
    """The replicates of each recipe in `runs` (recipe -> its records), and notes on those that are missing.

    Replicates of two recipes are paired only if both were drawn with one seed and as many resamples: otherwise there are none.
    """
    streams = {
        repr(tuple(record.bootstrap.get(key) for key in ("seed", "resamples", "stream")))
        for records in runs.values()
        for record in records
    }
    if len(streams) > 1:
        return {}, ["no ranks: the records were bootstrapped with different seeds, streams or numbers of resamples"]
    replicates: dict[str, Replicates] = {}
    unreadable: dict[str, str] = {}
    for recipe, records in runs.items():
        try:
            replicates[recipe] = _mean_over_seeds(records, results)
        except InputError as error:
            unreadable[recipe] = error.message
    if not unreadable:
        return replicates, []
    reason = next(iter(unreadable.values()))
    if not replicates:
        return {}, [f"no ranks and no intervals of changes: the predictions of no row can be read ({reason})"]
    names = ", ".join(unreadable)
    return replicates, [
        f"no rank and no interval of the change for {names}: {reason}; the ranks are among the other rows"
    ]


def _mean_over_seeds(records: Sequence[ResultRecord], results: Path) -> Replicates:
    """The replicates that all records have; InputError if the predictions of one cannot be read."""
    runs = [read_predictions(results, record) for record in records]
    common = set.intersection(*({name for name in arrays if name.startswith(PREFIX)} for arrays in runs))
    return {name.removeprefix(PREFIX): np.mean([arrays[name] for arrays in runs], axis=0) for name in sorted(common)}


def interval(replicates: Values | None) -> tuple[float, float] | None:
    """The 95 % percentile interval of the replicates that are defined; None if there is none."""
    if replicates is None or np.isnan(replicates).all():
        return None
    low, high = np.nanquantile(replicates, QUANTILES)
    return float(low), float(high)
