"""Cases of every metric alone, and of the default set together in `judge`."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from workloads import BINS, Prepared, Workload, draw, softmax

from calibench.evaluation.judge import judge
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric
from calibench.metrics.plugin import calibench_metrics
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs
from calibench.outputs.several_labels import yes_no_outputs
from calibench.plugins.specs import MetricSpec

OF_SEVERAL_LABELS = ("exact_match", "macro_f1")
OF_SOFT_LABELS = ("soft_nll", "soft_brier")
OF_TWO_CLASSES = ("calibration_intercept", "calibration_slope", "ici")


def metrics() -> dict[str, tuple[MetricSpec, Metric]]:
    """The metrics of calibench, without those of other installed plugins."""
    return {spec.name: (spec, spec.load()(**spec.options)) for spec in calibench_metrics()}


def default_metrics() -> dict[str, tuple[MetricSpec, Metric]]:
    """Those that `judge` computes unless the user names others."""
    return {name: (spec, metric) for name, (spec, metric) in metrics().items() if not spec.optional}


@cache
def decisions(n: int, k: int) -> Decisions:
    """The most probable class, or abstention below one half; the set of classes above a tenth; an error costs 1."""
    p = softmax(n, k, torch.float32)
    top = p.max(dim=1)
    answers = torch.where(top.values >= 0.5, top.indices, -1)
    costs = torch.cat([1 - torch.eye(k), torch.zeros(k, 1)], dim=1).double()
    costs[:, -1] = 0.3
    return Decisions(answers, sets=p >= 0.1, costs=costs)


@cache
def soft(n: int, k: int) -> np.ndarray[Any, Any]:
    """Soft labels `[N, K]` of each sample: the probabilities of its neighbour."""
    return np.roll(softmax(n, k, torch.float32).numpy().astype(np.float64), 1, axis=0)


def judged(n: int, k: int, *, soft_labels: bool = False) -> Judged:
    """A fresh `Judged`, with nothing cached by an earlier call."""
    logits, labels = draw(n, k, torch.float32)
    return Judged(Outputs(logits), labels, decisions(n, k), soft(n, k) if soft_labels else None)


@cache
def expected_figures(n: int, k: int) -> dict[str, float]:
    """Figures by plain numpy definitions, for some of the metrics."""
    labels = draw(n, k, torch.float32)[1]
    p = softmax(n, k, torch.float32).numpy()
    y, top, confidence = labels.numpy(), p.argmax(axis=1), p.max(axis=1)
    right = top == y
    edges = np.arange(BINS + 1) / BINS
    bins = [(confidence > low) & (confidence <= high) for low, high in pairwise(edges)]
    return {
        "accuracy": float(right.mean()),
        "nll": float(-np.log(p[np.arange(n), y]).mean()),
        "brier": float(((p - np.eye(k)[y]) ** 2).sum(axis=1).mean()),
        "soft_nll": float(-(soft(n, k) * np.log(p)).sum(axis=1).mean()),
        "soft_brier": float(((p - soft(n, k)) ** 2).sum(axis=1).mean()),
        "ece15": float(sum(abs(confidence[b].sum() - right[b].sum()) for b in bins) / n),
        "coverage": float((confidence >= 0.5).mean()),
        "selective_risk": float(1 - right[confidence >= 0.5].mean()),
        "set_coverage": float((p[np.arange(n), y] >= 0.1).mean()),
        "set_size": float((p >= 0.1).sum(axis=1).mean()),
        "mean_cost": float(np.where(confidence >= 0.5, ~right, 0.3).mean()),
    }


def check_figure(name: str, value: float | None, n: int, k: int) -> None:
    """Compares with `expected_figures`; a metric that is not among them must be finite, and in [0, 1] if its unit is a fraction."""
    assert value is not None
    figure = expected_figures(n, k).get(name)
    if figure is None:
        assert np.isfinite(value), (name, value)
        assert metrics()[name][0].unit != "fraction" or 0.0 <= value <= 1.0, (name, value)
    else:
        assert abs(value - figure) < 1e-9, (name, value, figure)


def several(n: int, labels: int) -> Judged:
    """A fresh `Judged` of n samples with several labels; the sign of each logit is the prediction."""
    logits, _ = draw(n, labels, torch.float32)
    return Judged(yes_no_outputs(logits), (logits.roll(1, dims=0) > 0).long().flatten())


def _of_several_labels(name: str, metric: Metric, n: int, labels: int) -> Workload:
    predicted = draw(n, labels, torch.float32)[0].numpy() > 0
    true = np.roll(predicted, 1, axis=0)
    hits, both = (predicted & true).sum(axis=0), predicted.sum(axis=0) + true.sum(axis=0)
    expected = {
        "exact_match": float((predicted == true).all(axis=1).mean()),
        "macro_f1": float((2 * hits / both).mean()),
    }

    def check(value: float) -> None:
        assert abs(value - expected[name]) < 1e-9, (name, value, expected[name])

    def prepare() -> Prepared:
        return Prepared(lambda: metric.value(several(n, labels)), check)

    return Workload(f"{name}/{n}x{labels}", name, n * labels, prepare)


def _metric(name: str, metric: Metric, n: int, k: int) -> Workload:
    """A metric on fresh outputs, so that its cost includes the passes over the logits that it needs."""

    def prepare() -> Prepared:
        soft_labels = name in OF_SOFT_LABELS
        return Prepared(
            lambda: metric.value(judged(n, k, soft_labels=soft_labels)), lambda value: check_figure(name, value, n, k)
        )

    return Workload(f"{name}/{n}x{k}", name, n * k, prepare)


def _judge(n: int, k: int) -> Workload:
    def check(judgement: Any) -> None:
        assert set(judgement.metrics) == set(default_metrics()) - {*OF_SEVERAL_LABELS, *OF_SOFT_LABELS}
        for name, value in judgement.metrics.items():
            check_figure(name, value, n, k)
            interval = judgement.intervals[name]
            assert (interval is None) == (name in judgement.no_interval)
            assert interval is None or interval[0] <= interval[1]

    def prepare() -> Prepared:
        return Prepared(lambda: judge(judged(n, k), default_metrics()), check)

    return Workload(f"judge/{n}x{k}", "judge", n * k, prepare)


def metric_workloads(judge_rows: int = 10_000) -> list[Workload]:
    """Every metric alone at 10 000 x 10 (x 2 if it needs two classes), and the default set with intervals and noise floors."""
    alone = [
        _of_several_labels(name, metric, 1_000, 3)
        if name in OF_SEVERAL_LABELS
        else _metric(name, metric, 10_000, 2 if name in OF_TWO_CLASSES else 10)
        for name, (_, metric) in metrics().items()
    ]
    return [*alone, _judge(judge_rows, 10)]
