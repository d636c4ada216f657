"""Registers the metrics of this folder: every `SPEC` in the files beside this one."""

from calibench.plugins.hookspecs import hookimpl
from calibench.plugins.kit import specs_in
from calibench.plugins.specs import MetricSpec


@hookimpl
def calibench_metrics() -> list[MetricSpec]:
    """Accuracy, proper scores, calibration errors, and figures of decisions, sets, costs, soft and several labels."""
    return specs_in("calibench.metrics", MetricSpec)
