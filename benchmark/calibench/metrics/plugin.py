"""Registers the metrics of this folder, every `SPEC` in the files beside this one, and the OOD scores of outputs."""

from calibench.plugins.hookspecs import hookimpl
from calibench.plugins.kit import specs_in
from calibench.plugins.specs import MetricSpec, OodScoreSpec


@hookimpl
def calibench_metrics() -> list[MetricSpec]:
    """Accuracy, proper scores, calibration errors, and figures of decisions, sets, costs, soft and several labels."""
    return specs_in("calibench.metrics", MetricSpec)


@hookimpl
def calibench_ood_scores() -> list[OodScoreSpec]:
    """The scores that need no features, such as max-softmax and energy."""
    from calibench.outputs.ood_scores import SPECS

    return list(SPECS)
