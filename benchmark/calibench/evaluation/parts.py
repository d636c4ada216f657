"""Parts of the samples that the user asks about: groups and periods of time, judged before and after a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from calibench.evaluation.drift_test import drift_test
from calibench.evaluation.group_test import worst_first
from calibench.evaluation.groups import judge_groups
from calibench.evaluation.periods import Times
from calibench.lazy import np
from calibench.metrics.bootstrap import Sampling
from calibench.metrics.judged import Judged
from calibench.metrics.load import Metrics
from calibench.metrics.mean_interval import mean_interval
from calibench.metrics.no_interval import NoInterval
from calibench.progress import Report


@dataclass(frozen=True)
class Parts:
    """The group `[N]` of each sample, and its time; None for what was not asked."""

    groups: Any = None
    times: Times | None = None

    def judge(self, judged: Judged, metrics: Metrics, sampling: Sampling, report: Report) -> dict[str, Any]:
        """The entries `groups` and `periods` of a record, of what was asked; the worst group first, periods in their order."""
        found: dict[str, Any] = {}
        if self.groups is not None:
            groups = judge_groups(judged, self.groups, metrics, sampling, report, all_replicates=False)
            in_order = sorted(groups, key=lambda name: worst_first(groups[name].verdict))
            found["groups"] = {name: groups[name].to_dict() for name in in_order}
        if self.times is not None:
            periods = judge_groups(judged, self.times.period, metrics, sampling, report, all_replicates=False)
            by_name = {self.times.names[int(number)]: period.to_dict() for number, period in periods.items()}
            drift = drift_test(judged, self.times, sampling.seed) if sampling.resamples else None
            found["periods"] = {"column": self.times.column, "drift": drift, "periods": by_name}
        return found

    def with_gains(self, found: dict[str, Any], before: Judged, after: Judged, level: float) -> dict[str, Any]:
        """`found`, judged after a fit, with what the fit gains in each period.

        `nll_gain` is the mean of NLL before less NLL after, in nats a sample. Its interval holds for all periods together
        (Bonferroni), so `helps` is True or False where it excludes 0, else None.
        """
        if self.times is None:
            return found
        count, per = len(self.times.names), before.labels_per_sample
        gains = (before.nll - after.nll).reshape(-1, per).mean(axis=1)
        weights = None if before.sample_weight is None else before.sample_weight[::per]
        for number, name in enumerate(self.times.names):
            rows = np.flatnonzero(self.times.period == number)
            own = None if weights is None else weights[rows]
            if own is not None and not own.any():
                continue
            bounds = mean_interval(gains[rows], 1 - (1 - level) / count, own)
            interval = None if isinstance(bounds, NoInterval) else bounds
            found["periods"]["periods"][name]["gain"] = {
                "nll_gain": float(np.average(gains[rows], weights=own)),
                "interval": interval,
                "helps": None if interval is None or interval[0] <= 0 <= interval[1] else interval[0] > 0,
            }
        return found


NOTHING_ASKED = Parts()
"""Neither groups nor periods."""
