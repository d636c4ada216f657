"""Which metrics can be computed in one pass, and their figures from what the pass leaves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from calibench.config.grammar import parse_list
from calibench.errors import InputError, blaming
from calibench.evaluation.judge import applicable, json_value
from calibench.evaluation.streaming.streamed_judged import RowsGoneError, StreamedJudged, no_samples
from calibench.evaluation.streaming.sums import Sums
from calibench.metrics.brier import Brier, decomposition
from calibench.metrics.classwise_ece import ClasswiseECE
from calibench.metrics.equal_width import BinnedMetric
from calibench.metrics.load import ALL, DEFAULT, Metrics, load_metrics
from calibench.metrics.metric import Metric
from calibench.metrics.nll import Nll
from calibench.metrics.rms_ce import RmsCE
from calibench.metrics.sample_mean import SampleMean

M = TypeVar("M")

NO_SUM = "the figure is no sum over samples: it needs all of them at once"


def of_bins(metric: M) -> M | Metric:
    """The metric itself, or the one that stands behind a choice of bins."""
    return metric.of_bins if isinstance(metric, RmsCE) else metric


def why_not(metric: Metric) -> str | None:
    """The reason why a metric cannot be computed in one pass; None if it can.

    Means over samples, figures of the sums of equal-width bins, and the class-wise ECE can.
    """
    metric = of_bins(metric)
    if isinstance(metric, SampleMean):
        own_value = type(metric).value is not SampleMean.value
        own_details = type(metric).details is not Metric.details and not isinstance(metric, Nll | Brier)
        return NO_SUM if own_value or own_details else None
    if isinstance(metric, BinnedMetric):
        return None if type(metric).value is BinnedMetric.value else NO_SUM
    return None if type(metric) is ClasswiseECE else NO_SUM


def split(names: str | None) -> tuple[Metrics, Metrics]:
    """The metrics among `names` that can be computed in one pass, and the others.

    InputError if one of the others is named by itself, not as part of a set.
    """
    chosen = load_metrics(names)
    others = {name: about for name, about in chosen.items() if why_not(about[1]) is not None}
    refused = [name for name in _named(names) if name in others]
    if refused:
        able = [
            name for name, metric in applicable(no_samples(2), load_metrics(ALL)).items() if why_not(metric) is None
        ]
        message = f"{', '.join(refused)} cannot be computed in one pass: {NO_SUM}"
        raise InputError(message, f"these can: {', '.join(able)}")
    return {name: about for name, about in chosen.items() if name not in others}, others


def _named(names: str | None) -> list[str]:
    """The metrics that are named by themselves."""
    pieces = () if names is None else parse_list(names)
    texts = [
        f"{piece.name}:{','.join(f'{key}={value}' for key, value in piece.values)}" if piece.values else piece.name
        for piece in pieces
        if piece.name not in (DEFAULT, ALL)
    ]
    return list(load_metrics(",".join(texts))) if texts else []


def bins_of(metrics: Mapping[str, Metric]) -> tuple[set[int], set[int]]:
    """Numbers of bins of the confidence, and of every class, whose sums the metrics need."""
    plain = [of_bins(metric) for metric in metrics.values()]
    of_confidence = {metric.bins for metric in plain if isinstance(metric, BinnedMetric)}
    return of_confidence, {metric.bins for metric in plain if isinstance(metric, ClasswiseECE | Brier)}


def figures(
    judged: StreamedJudged, sums: Sums, metrics: Mapping[str, Metric]
) -> tuple[dict[str, float], dict[str, dict[str, Any]], dict[str, str]]:
    """The figure and the details of each metric, and the reasons for those that asked for single samples after all."""
    values: dict[str, float] = {}
    details: dict[str, dict[str, Any]] = {}
    reasons: dict[str, str] = {}
    for name, metric in metrics.items():
        try:
            with blaming(f"metric {name!r}"):
                value, detail = _value(name, metric, judged, sums), _details(metric, judged, sums)
        except RowsGoneError:
            reasons[name] = NO_SUM
            continue
        values[name] = value if math.isfinite(value) else math.nan
        if detail:
            details[name] = json_value(detail)
    return values, details, reasons


def _value(name: str, metric: Metric, judged: StreamedJudged, sums: Sums) -> float:
    return sums.moments[name].mean if isinstance(metric, SampleMean) else float(metric.value(judged))


def _details(metric: Metric, judged: StreamedJudged, sums: Sums) -> dict[str, Any]:
    if isinstance(metric, Nll):
        return {"clipped": sums.clipped}
    if isinstance(metric, Brier):
        table = sums.class_sums(metric.bins)
        return decomposition(table.counts, table.p_sums, table.square_sums, table.outcomes, table.products)
    return dict(metric.details(judged))
