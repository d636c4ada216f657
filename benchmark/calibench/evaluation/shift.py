"""Judge every variant of every shift by the run's metrics, and take each shift's mean where all that it needs is there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from calibench.config.shift_and_ood import shift_metric
from calibench.data.load_shifts import Shift, made
from calibench.data.prepare import Data
from calibench.data.shift import Floats as Rows
from calibench.data.shift import Variant
from calibench.errors import blaming
from calibench.evaluation.added_figures import AddedFigures, Said
from calibench.evaluation.judge import applicable
from calibench.metrics.binning import Floats
from calibench.metrics.bootstrap import bootstrap
from calibench.metrics.judged import Judged
from calibench.metrics.load import Metrics
from calibench.metrics.noise_floor import noise_floor
from calibench.progress import Report

BOOTSTRAPPED = ("accuracy", "nll", "brier", "ece15", "ece10", "coverage", "selective_risk", "set_coverage")
"""Figures of a variant that get an interval; all others are stored as they are."""

GROUP_BYTES = 1 << 29
"""Variants pass through the network together while their rows take no more than this: some samplers prepare long."""


def judge_shifts(
    shifts: Sequence[Shift],
    say: Said,
    data: Data,
    metrics: Metrics,
    *,
    resamples: int,
    seed: int,
    report: Report,
) -> AddedFigures:
    """A row for each variant, and `shift_METRIC_SHIFT` for the mean over the variants that the shift's mean is over.

    A resample draws test rows, and every variant of them with them: the mean's replicates are those of one test set.
    """
    extra = AddedFigures()
    total = sum(len(shift.variants) for shift in shifts)
    done = 0
    for shift in shifts:
        rows: dict[str, dict[str, Any]] = {}
        replicates: dict[str, dict[str, Floats]] = {}
        for group in _groups(shift, data):
            said = say({f"{shift.text}, {variant.name}": x for variant, x in group})
            for variant, _ in group:
                outputs, decisions = said.pop(f"{shift.text}, {variant.name}")
                y = data.test.y if variant.rows is None else data.test.y[variant.rows]
                judged = Judged(outputs, torch.from_numpy(y).flatten(), decisions)
                row, found = _judged(judged, metrics, variant, len(data.test), resamples, seed)
                rows[variant.name] = {"shift": shift.text, "kind": variant.kind, "severity": variant.severity, **row}
                replicates[variant.name] = found
                done += 1
                report("shift", done, total, variant.name)
        extra.shift += rows.values()
        over = [variant.name for variant in shift.mean_over]
        about: dict[str, Any] = {
            "shift": shift.text,
            "variants": len(rows),
            "mean_over": len(over),
            "notes": list(shift.notes),
            "files": shift.files,
        }
        extra.data.setdefault("shift", []).append(about)
        _add_means(extra, shift.text, [rows[name] for name in over], [replicates[name] for name in over], metrics)
    return extra


def _groups(shift: Shift, data: Data) -> Iterator[list[tuple[Variant, Rows]]]:
    """The variants in order with their rows, as many together as `GROUP_BYTES` holds, at least one."""
    group: list[tuple[Variant, Rows]] = []
    for variant in shift.variants:
        group.append((variant, made(variant, shift.bound, data)))
        if sum(x.nbytes for _, x in group) + data.test.x.nbytes > GROUP_BYTES:
            yield group
            group = []
    if group:
        yield group


def _judged(
    judged: Judged, metrics: Metrics, variant: Variant, of: int, resamples: int, seed: int
) -> tuple[dict[str, Any], dict[str, Floats]]:
    chosen = applicable(judged, metrics)
    estimates = {}
    for name, metric in chosen.items():
        with blaming(f"metric {name!r}"):
            estimates[name] = float(metric.value(judged))
    drawn = {name: metric for name, metric in chosen.items() if name in BOOTSTRAPPED}
    found = bootstrap(judged, drawn, estimates, resamples=resamples, seed=seed, rows=variant.rows, of=of)
    values = {name: value if math.isfinite(value) else None for name, value in estimates.items()}
    row = {
        "n": judged.n // judged.labels_per_sample,
        "metrics": values,
        "intervals": {name: found[name].interval if values[name] is not None else None for name in drawn},
        "noise_floor": noise_floor(judged, drawn, seed=seed),
        "about": dict(variant.about),
    }
    return row, {name: found[name].values for name in drawn}


def _add_means(
    extra: AddedFigures,
    text: str,
    rows: Sequence[dict[str, Any]],
    replicates: Sequence[dict[str, Floats]],
    metrics: Metrics,
) -> None:
    names = [n for n in rows[0]["metrics"] if all(n in row["metrics"] for row in rows)] if rows else []
    for name in names:
        spec = metrics[name][0]
        values = [row["metrics"][name] for row in rows]
        mean = None if None in values else float(np.mean(values))
        drawn = np.mean([found[name] for found in replicates], axis=0) if name in replicates[0] else None
        whole = shift_metric(name, text)
        extra.add(whole, mean, {"unit": spec.unit, "better": spec.better, "rankable": spec.rankable}, drawn)
        if all(name in row["noise_floor"] for row in rows):
            extra.noise_floor[whole] = {"mean": float(np.mean([row["noise_floor"][name]["mean"] for row in rows]))}
