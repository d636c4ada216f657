"""Judge: every metric of one set of outputs, with details, bootstrap interval and noise floor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calibench.errors import blaming
from calibench.evaluation.calibration_test import calibration_test, families
from calibench.evaluation.verdict import Verdict, not_tested, verdict
from calibench.metrics.binning import Floats
from calibench.metrics.bootstrap import DEFAULT_SAMPLING, RESAMPLE_STREAM, Replicates, Sampling, bootstrap
from calibench.metrics.intervals import intervals, method_of
from calibench.metrics.judged import Judged
from calibench.metrics.load import takes_no_weights
from calibench.metrics.metric import Metric
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.noise_floor import DRAWS, Floor, drawn_figures, floor_of
from calibench.plugins.specs import MetricSpec
from calibench.progress import Report, quiet

PAIRING = (
    "replicate b is the same resample for all metrics, and for all methods judged with this seed on as many samples"
)
BIAS = "replicates are shifted by -(mean of replicates - estimate)"


@dataclass(frozen=True)
class Judgement:
    """Everything that `judge` computes, by metric name; None stands for an undefined figure.

    All but `replicates` and `verdict` is JSON. `metrics`: the figures in their spec's unit. `intervals`: `[lo, hi]` of the
    population value; where there is none, `no_interval` has the reason. `noise_floor`: of the metrics that have one. `details`.
    `replicates`: `[B]` float64, NaN where undefined. `bootstrap`: the methods.
    """

    metrics: dict[str, float | None]
    intervals: dict[str, list[float] | None]
    no_interval: dict[str, str]
    noise_floor: dict[str, Floor]
    details: dict[str, dict[str, Any]]
    replicates: dict[str, Floats]
    bootstrap: dict[str, Any]
    verdict: Verdict
    """Whether the outputs are calibrated: from everything that is known of them, whichever metrics were chosen."""


def judge(
    judged: Judged,
    metrics: Mapping[str, tuple[MetricSpec, Metric]],
    sampling: Sampling = DEFAULT_SAMPLING,
    report: Report = quiet,
) -> Judgement:
    """All `metrics` of `judged`; metrics that need a decision only where a rule has decided.

    `report` hears how many resamples and draws of labels are done. Equal inputs give equal bits for any number of threads.
    Raises InputError for too few resamples, and for a metric that takes no weights if samples have them, RunError naming the
    metric that fails.
    """
    sampling.check(figures_alone=True)
    chosen = applicable(judged, metrics)
    refuse_unweighted(judged, chosen)
    estimates: dict[str, float] = {}
    details: dict[str, dict[str, Any]] = {}
    for name, metric in chosen.items():
        with blaming(f"metric {name!r}"):
            estimates[name] = float(metric.value(judged))
            details[name] = json_value(dict(metric.details(judged)))
    values = {name: value if math.isfinite(value) else None for name, value in estimates.items()}
    details = {name: detail for name, detail in details.items() if detail}
    if not sampling.resamples:
        return _figures_alone(judged, chosen, values, details, sampling)
    replicates = bootstrap(judged, chosen, estimates, sampling, report=report)
    bounds = intervals(judged, chosen, estimates, replicates, sampling)
    drawn = drawn_figures(judged, {**chosen, **families(judged)}, seed=sampling.seed, report=report)
    return Judgement(
        metrics=values,
        intervals=shown(bounds),
        no_interval=reasons(bounds),
        noise_floor={name: floor_of(drawn[name]) for name in chosen if name in drawn},
        details=details,
        replicates={name: replicates[name].values for name in chosen},
        bootstrap=_about_bootstrap(chosen, replicates, sampling),
        verdict=verdict(judged, calibration_test(judged, drawn, sampling.seed), drawn),
    )


def _figures_alone(
    judged: Judged,
    chosen: Mapping[str, Metric],
    values: dict[str, float | None],
    details: dict[str, dict[str, Any]],
    sampling: Sampling,
) -> Judgement:
    return Judgement(
        metrics=values,
        intervals=dict.fromkeys(values),
        no_interval={},
        noise_floor={},
        details=details,
        replicates={},
        bootstrap=_about_bootstrap({}, {}, sampling) | {"noise_floor_draws": 0},
        verdict=not_tested(judged),
    )


def shown(bounds: Mapping[str, list[float] | NoInterval | None]) -> dict[str, list[float] | None]:
    """The intervals that there are, None for the others."""
    return {name: None if isinstance(found, NoInterval) else found for name, found in bounds.items()}


def reasons(bounds: Mapping[str, list[float] | NoInterval | None]) -> dict[str, str]:
    """Why figures have no interval."""
    return {name: found.reason for name, found in bounds.items() if isinstance(found, NoInterval)}


def applicable(judged: Judged, metrics: Mapping[str, tuple[MetricSpec, Metric]]) -> dict[str, Metric]:
    """The metrics that have something to judge: decisions, sets of classes or costs, where they need them."""
    return {
        name: metric
        for name, (spec, metric) in metrics.items()
        if (judged.decisions is not None or not spec.needs_decision)
        and (metric.of_top_label or not judged.top_label_only)
        and _applies(name, metric, judged)
    }


def refuse_unweighted(judged: Judged, metrics: Mapping[str, Metric]) -> None:
    """InputError for the first metric that takes no weights, if the samples have them."""
    for name, metric in metrics.items():
        if judged.sample_weight is not None and not metric.takes_weights:
            raise takes_no_weights(name)


def _applies(name: str, metric: Metric, judged: Judged) -> bool:
    with blaming(f"metric {name!r}"):
        return metric.applies(judged)


def _about_bootstrap(
    chosen: Mapping[str, Metric], replicates: Mapping[str, Replicates], sampling: Sampling
) -> dict[str, Any]:
    undefined = {name: replicates[name].undefined for name in chosen if replicates[name].undefined}
    return about_intervals(chosen, sampling) | {"undefined": undefined}


def about_intervals(chosen: Mapping[str, Metric], sampling: Sampling, *, drawn: bool = True) -> dict[str, Any]:
    """How intervals and floors were found; `drawn` tells whether labels were drawn for floors."""
    return {
        "methods": {name: method for name, metric in chosen.items() if (method := method_of(metric)) is not None},
        "level": sampling.level,
        "resamples": sampling.resamples,
        "seed": sampling.seed,
        "stream": RESAMPLE_STREAM,
        "bias_corrected": sorted(name for name, metric in chosen.items() if metric.bias_corrected),
        "bias_correction": BIAS,
        "pairing": PAIRING,
        "undefined": {},
        "noise_floor_draws": DRAWS if drawn else 0,
    }


def json_value(value: Any) -> Any:
    """The value with None for every NaN and infinity, which JSON cannot hold."""
    if isinstance(value, dict):
        return {key: json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
