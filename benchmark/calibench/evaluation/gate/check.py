"""Check: one limit, or one comparison with the baseline, with its outcome and its sentence."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from calibench.evaluation.gate.bounds import Bounds
from calibench.evaluation.gate.limit import SIGNS, Limit

Outcome = Literal["holds", "not_shown", "fails"]

WORDS = {"holds": "holds", "not_shown": "not shown", "fails": "fails"}


@dataclass(frozen=True)
class Check:
    """One check of a gate. All numbers have the unit of the metric."""

    metric: str
    kind: Literal["max", "min", "no_worse"]
    outcome: Outcome
    """`holds`: the bound lies on the right side of the limit. `fails`: the other bound lies on the wrong side. `not_shown`: the
    limit lies between the bounds, so the check does not hold."""
    limit: float | None
    """The limit; of `no_worse` the margin, None without one."""
    value: float
    """The figure of these samples."""
    low: float
    """The lower bound of the population value; of `no_worse`, of its change from the baseline."""
    high: float
    """The upper bound."""
    unit: str
    baseline: float | None = None
    """The figure of the baseline; None for a limit."""
    needed: int | None = None
    """About how many samples would show a limit that is not shown; None if none would."""

    @property
    def holds(self) -> bool:
        """True if the outcome is `holds`."""
        return self.outcome == "holds"

    @property
    def title(self) -> str:
        """The check in short: `ece15 <= 0.03`, or `brier no worse than the baseline`."""
        if self.kind != "no_worse":
            return f"{self.metric} {SIGNS[self.kind]} {self.limit:g}"
        margin = "" if self.limit is None else f" by more than {self.limit:g}"
        return f"{self.metric} no worse than the baseline{margin}"

    @property
    def reason(self) -> str:
        """The figure and the bound that decides: `figure 0.0149, population value at most 0.0195`."""
        if self.baseline is not None:
            change = self.value - self.baseline
            return f"figure {self.value:.4g} against {self.baseline:.4g}, change {change:+.4g} [{self.low:+.4g}, {self.high:+.4g}]"
        upper = (self.kind == "max") == (self.outcome != "fails")
        bound = f"at most {self.high:.4g}" if upper else f"at least {self.low:.4g}"
        more = f"; about {self.needed} samples would show it" if self.needed is not None else ""
        return f"figure {self.value:.4g}, population value {bound}{more}"

    def __str__(self) -> str:
        return f"{WORDS[self.outcome]}: {self.title}: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """The entry of the JSON document."""
        values = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        return {**values, "text": str(self)}


def check_of_limit(limit: Limit, bounds: Bounds, unit: str, needed: int | None) -> Check:
    """The check of a limit: it holds if the bound reaches it, and fails if the bound of the other side lies beyond it."""
    return Check(
        metric=limit.metric,
        kind=limit.kind,
        outcome=outcome_of(limit, bounds),
        limit=limit.value,
        value=bounds.value,
        low=bounds.low,
        high=bounds.high,
        unit=unit,
        needed=needed,
    )


def outcome_of(limit: Limit, bounds: Bounds) -> Outcome:
    """Where the limit lies: outside the interval on the side that it allows, on the other side, or inside."""
    if limit.kind == "max":
        within, beyond = bounds.high <= limit.value, bounds.low > limit.value
    else:
        within, beyond = bounds.low >= limit.value, bounds.high < limit.value
    return "holds" if within else "fails" if beyond else "not_shown"
