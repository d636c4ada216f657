"""Load the metrics that plugins offer, and build them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from calibench.errors import PluginError
from calibench.metrics.metric import Metric
from calibench.plugins.discovery import registry
from calibench.plugins.specs import MetricSpec

Metrics = dict[str, tuple[MetricSpec, Metric]]
"""Each metric with its spec, by name."""


def load_metrics() -> Metrics:
    """Every metric of every plugin. Raises PluginError if a target is not a Metric."""
    metrics: Metrics = {}
    for entry in registry().all("metric"):
        spec = entry.spec
        assert isinstance(spec, MetricSpec)
        metric = spec.load()(**spec.options)
        if not isinstance(metric, Metric):
            raise PluginError(
                f"{entry.plugin}: metric {spec.name!r} is a {type(metric).__name__}, not a calibench.Metric"
            )
        metrics[spec.name] = (spec, metric)
    return metrics


def units_of(metrics: Metrics, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The unit, the better direction and `rankable` of each metric, so that a record explains itself."""
    specs = {name: metrics[name][0] for name in names}
    return {name: {"unit": spec.unit, "better": spec.better, "rankable": spec.rankable} for name, spec in specs.items()}
