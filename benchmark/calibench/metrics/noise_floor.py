"""Noise floor: the figure that a perfectly calibrated model with the same probabilities scores on as many samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from calibench.errors import blaming
from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.floor_counts import FloorCounts, counted_draws
from calibench.metrics.has_draws import HasDraws
from calibench.metrics.judged import Judged
from calibench.metrics.label_draws import draw_labels
from calibench.progress import Report, quiet

DRAWS = 1000

Floor: TypeAlias = dict[str, float]
"""`mean` and `p95` (95th percentile) over the draws, in the metric's unit."""


def noise_floor(
    judged: Judged, metrics: Mapping[str, HasDraws], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Floor]:
    """`{"mean", "p95"}` of each metric that has a floor, over `draws` sets of labels `y_i ~ Categorical(p_i)`."""
    return {name: floor_of(values) for name, values in drawn_figures(judged, metrics, draws=draws, seed=seed).items()}


def floor_of(values: Floats) -> Floor:
    """Mean and 95th percentile of a figure over the draws."""
    return {"mean": float(values.mean()), "p95": float(np.quantile(values, 0.95))}


def drawn_figures(
    judged: Judged, metrics: Mapping[str, HasDraws], *, draws: int = DRAWS, seed: int = 0, report: Report = quiet
) -> dict[str, Floats]:
    """The figure of each metric that has a floor in each draw of labels, `[D]`, by the metric's name.

    Figures that follow from counts share their labels, and so do all others. Figures of weighted samples have the labels of the
    others, since the compiled operator counts samples; and so do answers whose other probabilities are not known, since it
    takes the largest score as the answer.
    """
    wanted: dict[str, FloorCounts] = {}
    has_floor = {name for name, metric in metrics.items() if type(metric).floor_draws is not HasDraws.floor_draws}
    for name, metric in metrics.items():
        with blaming(f"metric {name!r}"):
            counts = metric.floor_counts(judged)
        if counts is not None:
            has_floor.add(name)
        if counts is not None and judged.sample_weight is None and not judged.top_label_only:
            wanted[name] = counts
    blocks: dict[str, list[Floats]] = {}
    done = 0
    for counted in counted_draws(judged, wanted, draws, seed) if wanted else ():
        for name, of_name in counted.items():
            with blaming(f"metric {name!r}"):
                blocks.setdefault(name, []).append(metrics[name].floor_of_counts(judged, of_name))
        done += next(iter(counted.values())).shape[1]
        report("labels of a calibrated model", min(done, draws), draws, "")
    others = {name: metric for name, metric in metrics.items() if name in has_floor and name not in wanted}
    for correct, labels in draw_labels(judged, draws, seed) if others else ():
        for name, metric in others.items():
            with blaming(f"metric {name!r}"):
                values = metric.floor_draws(judged, correct, labels)
            if values is not None:
                blocks.setdefault(name, []).append(values)
    return {name: np.concatenate(blocks[name]) for name in metrics if name in blocks}
