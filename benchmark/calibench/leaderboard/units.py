"""The units of a board's metrics, and whether a board may be ordered and ranked by one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from calibench.errors import InputError, did_you_mean
from calibench.leaderboard.defaults import RANK_BY
from calibench.records.record import ResultRecord

DEBIASED = "ece_debiased15"
"""The calibration error by which a board may rank: its bias does not depend on the model."""

Units = dict[str, dict[str, Any]]
"""As in a record: for each metric its unit, the better direction, `rankable`, and `order_only`."""


def units_of(records: Iterable[ResultRecord]) -> Units:
    """The units of all metrics of the records, each with `order_only`, which records of earlier versions do not have."""
    units: Units = {}
    for record in records:
        for name, unit in record.units.items():
            order_only = unit["order_only"] if "order_only" in unit else _was_biased(name, record)
            units[name] = {**unit, "order_only": order_only or units.get(name, {}).get("order_only", False)}
    return units


def _was_biased(name: str, record: ResultRecord) -> bool:
    """True for a metric, or its mean over a shift, whose replicates the record says were corrected for bias."""
    listed = record.bootstrap.get("bias_corrected")
    biased = [metric for metric in listed if metric != DEBIASED] if isinstance(listed, list) else []
    return any(name == metric or name.startswith(f"shift_{metric}_") for metric in biased)


def check_metric(metric: str, units: Units) -> None:
    """Raise InputError for a metric that no record has, or by which no board is ordered."""
    if metric not in units:
        raise InputError(f"no record has the metric {metric!r}", did_you_mean(metric, units))
    if not units[metric].get("rankable", True):
        hint = f"its spec says that no order follows from it, as of MCE; rank by {RANK_BY}, nll or another"
        raise InputError(f"{metric} is shown but never ranked by", hint)


def note_on_order(metric: str, units: Units) -> str:
    """Why no rank follows from a metric that is `order_only`, and what ranks instead."""
    instead = [name for name in (DEBIASED, RANK_BY) if name in units]
    options = " or ".join(f"--metric {name}" for name in instead)
    why = f"no ranks: {metric} is biased by an amount that depends on the model, so it gives an order only"
    return f"{why}; {options} ranks" if instead else why
