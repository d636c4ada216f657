"""Judge every variant of every shift by the run's metrics, and take each shift's mean over the variants in `mean_over`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from calibench.config.shift_and_ood import shift_metric
from calibench.data.load_shifts import Shift, variant_rows
from calibench.data.prepare import Data
from calibench.data.shift import Floats as Rows
from calibench.data.shift import Variant
from calibench.errors import blaming
from calibench.evaluation.added_figures import AddedFigures, OutputsOf
from calibench.evaluation.judge import applicable, reasons, shown
from calibench.metrics.binning import Floats
from calibench.metrics.bootstrap import DEFAULT_SAMPLING, Sampling, bootstrap
from calibench.metrics.intervals import intervals
from calibench.metrics.judged import Judged
from calibench.metrics.load import Metrics
from calibench.metrics.noise_floor import noise_floor
from calibench.progress import Report

BOOTSTRAPPED = ("accuracy", "nll", "brier", "ece15", "ece10", "coverage", "selective_risk", "set_coverage")
"""Figures of a variant that get an interval; all others are stored without one."""

GROUP_BYTES = 1 << 29
"""Variants pass through the network together while their rows take no more than this: some samplers prepare long."""


class JudgedVariant(NamedTuple):
    """A variant's row for the record, and the replicates of its bootstrapped figures."""

    row: dict[str, Any]
    replicates: dict[str, Floats]


def judge_shifts(
    shifts: Sequence[Shift],
    outputs_of: OutputsOf,
    data: Data,
    metrics: Metrics,
    report: Report,
    sampling: Sampling = DEFAULT_SAMPLING,
) -> AddedFigures:
    """A row for each variant, and `shift_METRIC_SHIFT`, the mean over the variants in the shift's `mean_over`.

    A resample draws test rows, each with all its variants, so the replicates of the mean are those of one test set.
    """
    added = AddedFigures(level=sampling.level)
    total = sum(len(shift.variants) for shift in shifts)
    done = 0
    for shift in shifts:
        judged: dict[str, JudgedVariant] = {}
        for group in _groups(shift, data):
            outputs = outputs_of({f"{shift.text}, {variant.name}": x for variant, x in group})
            for variant, _ in group:
                rows = outputs.pop(f"{shift.text}, {variant.name}")
                y = data.test.y if variant.rows is None else data.test.y[variant.rows]
                one = Judged(rows.outputs, torch.from_numpy(y).flatten(), rows.decisions)
                judged[variant.name] = _judge_variant(one, metrics, variant, shift, len(data.test), sampling)
                if adapted := {stage: values for stage, values in rows.adapted.items() if values}:
                    judged[variant.name].row["about"]["adapted"] = adapted
                done += 1
                report("shift", done, total, variant.name)
        _add(added, shift, judged, metrics)
    return added


def _groups(shift: Shift, data: Data) -> Iterator[list[tuple[Variant, Rows]]]:
    """The variants in order with their rows, as many together as `GROUP_BYTES` holds, at least one."""
    group: list[tuple[Variant, Rows]] = []
    for variant in shift.variants:
        group.append((variant, variant_rows(variant, shift.bound, data)))
        if sum(x.nbytes for _, x in group) + data.test.x.nbytes > GROUP_BYTES:
            yield group
            group = []
    if group:
        yield group


def _judge_variant(
    judged: Judged, metrics: Metrics, variant: Variant, shift: Shift, test_rows: int, sampling: Sampling
) -> JudgedVariant:
    chosen = applicable(judged, metrics)
    estimates = {}
    for name, metric in chosen.items():
        with blaming(f"metric {name!r}"):
            estimates[name] = float(metric.value(judged))
    drawn = {name: metric for name, metric in chosen.items() if name in BOOTSTRAPPED}
    replicates = bootstrap(judged, drawn, estimates, sampling, rows=variant.rows, num_samples=test_rows)
    bounds = intervals(judged, drawn, estimates, replicates, sampling)
    values = {name: value if math.isfinite(value) else None for name, value in estimates.items()}
    row = {
        "shift": shift.text,
        "kind": variant.kind,
        "severity": variant.severity,
        "n": judged.n // judged.labels_per_sample,
        "metrics": values,
        "intervals": shown(bounds),
        "no_interval": reasons(bounds),
        "noise_floor": noise_floor(judged, drawn, seed=sampling.seed),
        "about": dict(variant.about),
    }
    return JudgedVariant(row, {name: replicates[name].values for name in drawn})


def _add(added: AddedFigures, shift: Shift, judged: dict[str, JudgedVariant], metrics: Metrics) -> None:
    """Add a shift's rows, facts about it, and its means."""
    added.shift += [variant.row for variant in judged.values()]
    over = [judged[variant.name] for variant in shift.mean_over]
    about: dict[str, Any] = {
        "shift": shift.text,
        "variants": len(judged),
        "mean_over": len(over),
        "notes": list(shift.notes),
        "files": shift.files,
    }
    added.data.setdefault("shift", []).append(about)
    if over:
        _add_means(added, shift.text, over, metrics)


def _add_means(added: AddedFigures, text: str, over: Sequence[JudgedVariant], metrics: Metrics) -> None:
    rows = [variant.row for variant in over]
    for name in rows[0]["metrics"]:
        if not all(name in row["metrics"] for row in rows):
            continue
        spec, metric = metrics[name]
        values = [row["metrics"][name] for row in rows]
        mean = None if None in values else float(np.mean(values))
        drawn = [variant.replicates[name] for variant in over] if name in over[0].replicates else None
        whole = shift_metric(name, text)
        biased = "its variants are biased, and no interval of their mean is known" if metric.bias_corrected else None
        added.add(whole, mean, spec.in_record(), None if drawn is None else np.mean(drawn, axis=0), biased)
        if all(name in row["noise_floor"] for row in rows):
            floors = [row["noise_floor"][name]["mean"] for row in rows]
            added.noise_floor[whole] = {"mean": float(np.mean(floors))}
