"""Judge groups of samples, such as hospitals: figures, intervals, floors and verdict of each, with paired resamples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from calibench.errors import InputError, blaming
from calibench.evaluation.group_test import GroupFigures, GroupVerdict, families, group_figures, group_test, untested
from calibench.evaluation.judge import applicable, reasons, refuse_unweighted, shown
from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.bootstrap import DEFAULT_SAMPLING, Replicates, Sampling
from calibench.metrics.group_resamples import Group, answers, group_replicates
from calibench.metrics.intervals import RESAMPLES, intervals, method_of
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric
from calibench.metrics.noise_floor import Floor, drawn_figures, floor_of
from calibench.plugins.specs import MetricSpec
from calibench.progress import Report, quiet


@dataclass(frozen=True)
class GroupJudgement:
    """What `judge_groups` computes of one group, by metric name; None stands for an undefined figure."""

    n: int
    """The number of samples in the group."""
    weight: float
    """Its share of the weight of all samples; without weights, of their number."""
    metrics: dict[str, float | None]
    intervals: dict[str, list[float] | None]
    no_interval: dict[str, str]
    noise_floor: dict[str, Floor]
    verdict: GroupVerdict
    """Whether the group is calibrated, at one joint level over all groups."""
    replicates: dict[str, Floats] = field(repr=False)
    """`[B]` of each metric. Replicate b of all groups is the same resample, so the difference of two groups has the replicates'
    differences."""

    def to_dict(self) -> dict[str, Any]:
        """All but the replicates, for JSON."""
        names = ("metrics", "intervals", "no_interval", "noise_floor")
        figures = {name: getattr(self, name) for name in names}
        return {"n": self.n, "weight": self.weight, **self.verdict, **figures}


def judge_groups(
    judged: Judged,
    groups: Any,
    metrics: Mapping[str, tuple[MetricSpec, Metric]],
    sampling: Sampling = DEFAULT_SAMPLING,
    report: Report = quiet,
    *,
    all_replicates: bool = True,
) -> dict[str, GroupJudgement]:
    """Each group of `judged` by its name, in the order of the names; `groups [N]` holds the group of each sample, an int or a text.

    Figures, intervals and floors of a group are those of its samples alone; its verdict shares a joint level with the others.
    Resamples are drawn from all samples at once. With 0 resamples there are figures alone. A group whose weights are all 0 has
    no figures. Without `all_replicates`, only metrics whose interval needs them are resampled. Raises InputError for groups
    that do not fit, and as `judge` does.
    """
    sampling.check(figures_alone=True)
    names, index = checked_groups(groups, judged.n // judged.labels_per_sample)
    chosen = applicable(judged, metrics)
    refuse_unweighted(judged, chosen)
    parts = [_part(judged, np.flatnonzero(index == number)) for number in range(len(names))]
    estimates = [_estimates(part.judged, chosen) for part in parts]
    replicates: list[dict[str, Replicates]] = [{} for _ in parts]
    resampled = chosen if all_replicates else {n: m for n, m in chosen.items() if method_of(m) == RESAMPLES}
    if sampling.resamples and resampled:
        filled = [number for number, part in enumerate(parts) if _has_weight(part.judged)]
        found = group_replicates(
            judged, [parts[i] for i in filled], resampled, [estimates[i] for i in filled], sampling, report=report
        )
        for number, of_group in zip(filled, found, strict=True):
            replicates[number] = of_group
    judgements, tested = {}, {}
    for number, (name, part) in enumerate(zip(names, parts, strict=True)):
        judgement, figures = _judgement(judged, part, chosen, estimates[number], replicates[number], (sampling, number))
        judgements[name] = judgement
        if figures is not None:
            tested[name] = figures
        report("groups", number + 1, len(names), "")
    verdicts = dict(zip(tested, group_test(list(tested.values())), strict=True)) if tested else {}
    return {
        name: replace(found, verdict=verdicts[name]) if name in verdicts else found
        for name, found in judgements.items()
    }


def checked_groups(groups: Any, n: int) -> tuple[list[str], Ints]:
    """The names of the groups in their order, numbers by size, and the group `[N]` of each sample; InputError for other values."""
    # numpy makes a text of a NaN beside texts, so a list keeps its items.
    array = np.array(groups, dtype=object) if isinstance(groups, list | tuple) else np.asarray(groups)
    if array.shape != (n,):
        raise InputError(f"groups have shape {list(array.shape)} beside {n} samples", "give one group per sample")
    if array.dtype.kind == "O":
        wrong = next((row for row, value in enumerate(array) if not isinstance(value, str | int | np.integer)), None)
        if wrong is not None:
            message = f"groups: row {wrong}: {array[wrong]!r} is neither a whole number nor a text"
            raise InputError(message, "give such samples a group of their own, or leave them out")
        array = _of_one_kind(array)
    if array.dtype.kind not in "iubU":
        raise InputError(f"groups have type {array.dtype}", "give a whole number or a text per sample")
    values, index = np.unique(array, return_inverse=True)
    return [str(value) for value in values], index.reshape(-1).astype(np.int64)


def _of_one_kind(array: Any) -> Any:
    """Whole numbers, or texts if there is one; InputError if a number and a text are one name, as 1 and "1" are."""
    texts = {value for value in array if isinstance(value, str)}
    same = texts & {str(value) for value in array if not isinstance(value, str)}
    if same:
        message = f"groups: {min(same)} is a number in one row and a text in another"
        raise InputError(message, "give it as the one or as the other")
    try:
        return array.astype(str if texts else np.int64)
    except OverflowError:
        raise InputError("groups: a whole number has more than 64 bits", "give such numbers as texts") from None


def _part(judged: Judged, rows: Ints) -> Group:
    return Group(rows, judged.take(answers(rows, judged.labels_per_sample)))


def _has_weight(judged: Judged) -> bool:
    return judged.sample_weight is None or bool(judged.sample_weight.any())


def _estimates(judged: Judged, metrics: Mapping[str, Metric]) -> dict[str, float]:
    figures = {}
    for name, metric in metrics.items():
        with blaming(f"metric {name!r}"):
            figures[name] = float(metric.value(judged)) if _has_weight(judged) else math.nan
    return figures


def _judgement(
    judged: Judged,
    part: Group,
    metrics: Mapping[str, Metric],
    estimates: Mapping[str, float],
    replicates: Mapping[str, Replicates],
    sampling_and_number: tuple[Sampling, int],
) -> tuple[GroupJudgement, GroupFigures | None]:
    """One group without a verdict, and what the joint test needs of it; None if it is not tested."""
    sampling, number = sampling_and_number
    judgeable = bool(sampling.resamples) and _has_weight(part.judged)
    bounds = intervals(part.judged, metrics, estimates, replicates, sampling) if judgeable else dict.fromkeys(metrics)
    compared = families(part.judged) if judgeable else {}
    drawn = drawn_figures(part.judged, {**metrics, **compared}, seed=sampling.seed) if judgeable else {}
    figures = None
    if compared:
        draws = {name: drawn[name] for name in compared}
        figures = group_figures(part.judged, compared, draws, number, sampling.seed)
    own = judged.sample_weight
    places = answers(part.rows, judged.labels_per_sample)
    weight = len(places) / judged.n if own is None else float(own[places].sum() / own.sum())
    judgement = GroupJudgement(
        n=len(part.rows),
        weight=weight,
        metrics={name: value if math.isfinite(value) else None for name, value in estimates.items()},
        intervals=shown(bounds),
        no_interval=reasons(bounds),
        noise_floor={name: floor_of(drawn[name]) for name in metrics if name in drawn},
        verdict=untested(part.judged),
        replicates={name: found.values for name, found in replicates.items()},
    )
    return judgement, figures
