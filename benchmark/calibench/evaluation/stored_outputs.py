"""Judge stored outputs, before and after post-hoc stages that are fitted on other samples."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from numpy.typing import NDArray

from calibench.data.soft import checked_soft
from calibench.errors import HOW_TO_GET_TORCH, InputError
from calibench.evaluation.advice import advise
from calibench.evaluation.cross_fit import Samples
from calibench.evaluation.evaluation_record import EvaluationRecord
from calibench.evaluation.fit import AUTO, AfterFit, FittedMap, apply_fit, check_fit
from calibench.evaluation.fit_samples import warnings_about_fit
from calibench.evaluation.judge import Judgement, judge
from calibench.evaluation.parts import NOTHING_ASKED, Parts
from calibench.evaluation.soft_fit import with_drawn_labels
from calibench.evaluation.warnings import unclipped_after
from calibench.kernels import numpy_backend
from calibench.metrics.bootstrap import DEFAULT_SAMPLING, Sampling
from calibench.metrics.judged import Judged
from calibench.metrics.load import Metrics, load_metrics, named_in, units_of
from calibench.metrics.sample_weight import effective_samples
from calibench.outputs.outputs import Outputs
from calibench.outputs.top_label import refuse_top_label
from calibench.progress import Report, quiet
from calibench.records.environment import versions

UNWEIGHTED_FIT = "the fit does not know the weights: all its samples count alike"
NO_MAPS = f"no map was tried, since torch is not installed; {HOW_TO_GET_TORCH}"


@dataclass(frozen=True)
class Fit:
    """Post-hoc stages to try: the `recipe`, `auto` for the map that the advice names, or None.

    They are fitted on `samples`, or with `folds` on the other folds of the judged samples themselves (cross-fitting). With `soft`,
    the shares `[N, K]` of people who gave each label to these samples, their labels are drawn from the shares. A `map` was fitted
    earlier, and stands in place of a recipe.
    """

    recipe: str | None = None
    samples: Samples | None = None
    folds: int | None = None
    soft: NDArray[Any] | None = None
    map: FittedMap | None = None


def evaluate_samples(  # noqa: PLR0913 - an argument for each fact about the samples
    samples: Samples,
    fit: Fit = Fit(),
    *,
    soft: NDArray[Any] | None = None,
    metrics: str | None = None,
    sampling: Sampling = DEFAULT_SAMPLING,
    report: Report = quiet,
    sample_weight: NDArray[Any] | None = None,
    parts: Parts = NOTHING_ASKED,
    class_names: tuple[str, ...] = (),
) -> EvaluationRecord:
    """Judge `samples` before and after a fit, and advise which map helps if they are not calibrated.

    `soft` are the shares `[N, K]` of people who gave each label. `metrics` lists the metrics, as in `brier,ece:bins=20`; None
    is the default set. `report` hears how far judging is. `sample_weight [N]` weighs the samples that are judged, not those of the
    fit, which has no weights; an advice is for samples without weights alone. `parts` adds groups and periods of time.
    `class_names` are those of the columns, if they have names.
    Raises InputError for samples that do not go together.
    """
    outputs, labels = samples
    _check(samples, fit, soft, sample_weight, class_names)
    soft = _checked_soft(soft, outputs)
    fit_on = _fit_on(fit, samples, sampling.seed)
    chosen = load_metrics(metrics, weighted=sample_weight is not None)
    if outputs.top_label_only and metrics is not None:
        refuse_by_name(metrics, chosen)
    judged = Judged(outputs, labels, soft=soft, sample_weight=sample_weight, class_names=class_names)
    record = record_of(judged, judge(judged, chosen, sampling, report), chosen)
    record = dataclasses.replace(record, **parts.judge(judged, chosen, sampling, report))
    warnings = [] if fit.samples is None else warnings_about_fit(fit.samples, samples)
    if sample_weight is not None and fit.recipe is not None:
        warnings.append(UNWEIGHTED_FIT)
    record = dataclasses.replace(record, warnings=record.warnings + warnings)
    if sample_weight is None and not outputs.top_label_only:
        record = _with_advice(record, fit, fit_on, sampling.seed, report)
    recipe = fit.recipe if fit.map is None else fit.map.recipe
    if recipe == AUTO:
        recipe = None if record.advice is None else record.advice["recipe"]
        if recipe is None:
            return dataclasses.replace(record, fit={"recipe": AUTO, "chosen": None})
    if recipe is None:
        return record
    after = _fitted(dataclasses.replace(fit, recipe=recipe), fit_on, samples, sampling.seed, class_names)
    judged_after = Judged(after.outputs, labels, after.decisions, soft, sample_weight, class_names)
    judgement = judge(judged_after, chosen, sampling, report)
    parts_after = parts.judge(judged_after, chosen, sampling, report)
    return dataclasses.replace(
        record,
        units=record.units | units_of(chosen, judgement.metrics),
        fit=after.learned,
        after=_after(judgement, parts.with_gains(parts_after, judged, judged_after, sampling.level)),
        judged_after=judged_after,
        warnings=record.warnings + unclipped_after(judged, judged_after),
    )


def _check(
    samples: Samples,
    fit: Fit,
    soft: NDArray[Any] | None,
    sample_weight: NDArray[Any] | None,
    class_names: tuple[str, ...],
) -> None:
    """InputError for a fit that these samples cannot have."""
    if samples[0].top_label_only:
        _refuse_with_top_label(samples[0], fit, soft)
    if fit.map is not None and (fit.recipe or fit.samples or fit.folds or fit.soft is not None):
        raise InputError("a map is fitted already, and there is something to fit", "give a map or a fit, not both")
    check_fit(fit.recipe, fit.samples, fit.folds, samples, class_names)
    if sample_weight is not None and fit.recipe == AUTO:
        raise InputError(
            "fit auto takes no sample weights", "name a recipe, such as temperature, or leave the weights out"
        )


def _with_advice(record: EvaluationRecord, fit: Fit, fit_on: Samples, seed: int, report: Report) -> EvaluationRecord:
    """The record with an advice if one is asked for, or if the samples show no calibrated model."""
    if record.calibrated not in ("miscalibrated", "too_few") and fit.recipe != AUTO:
        return record
    if find_spec("torch") is None:  # judging needs none
        return dataclasses.replace(record, warnings=[*record.warnings, NO_MAPS])
    return dataclasses.replace(record, advice=advise(fit_on, seed, report))


def refuse_by_name(metrics: str, chosen: Metrics) -> None:
    """InputError for the first metric that is named by itself and needs the probabilities of all classes."""
    for name in named_in(metrics):
        if name in chosen and not chosen[name][1].of_top_label:
            able = [other for other, (_, metric) in load_metrics("all").items() if metric.of_top_label]
            message = f"metric {name!r} needs the probabilities of all classes, and only the confidence of each answer is here"
            raise InputError(message, f"these need no more: {', '.join(able)}")


def _refuse_with_top_label(outputs: Outputs, fit: Fit, soft: NDArray[Any] | None) -> None:
    if fit.recipe is not None or fit.map is not None or soft is not None:
        what = "soft labels" if fit.recipe is None else f"fit {fit.recipe}"
        refuse_top_label(outputs, "a map" if fit.map is not None else what)


def _fit_on(fit: Fit, samples: Samples, seed: int) -> Samples:
    """The samples to fit on, or to cross-fit; with shares, their labels are drawn."""
    fit_on = samples if fit.samples is None else fit.samples
    if fit.soft is None:
        return fit_on
    if fit.samples is None and fit.folds is None:
        raise InputError(
            "there are shares to fit on and nothing is fitted on them", "give samples to fit on, or cross-fit 5"
        )
    return with_drawn_labels(fit_on, fit.soft, seed)


def _fitted(fit: Fit, fit_on: Samples, samples: Samples, seed: int, class_names: tuple[str, ...]) -> AfterFit:
    """The judged samples after the fit, or after the map; what a fit learned says if its labels were drawn."""
    if fit.map is not None:
        return AfterFit(*fit.map.judged(samples[0]), {"recipe": fit.map.recipe, "fitted": "earlier"})
    assert fit.recipe is not None
    if fit.samples is None:
        after = apply_fit(fit.recipe, None, fit.folds, fit_on, seed, class_names)
    else:
        after = apply_fit(fit.recipe, fit_on, None, samples, seed, class_names)
    return after if fit.soft is None else after._replace(learned={**after.learned, "labels": "drawn from the shares"})


def _checked_soft(soft: NDArray[Any] | None, outputs: Outputs) -> NDArray[Any] | None:
    if soft is None:
        return None
    if outputs.labels_per_sample > 1:
        raise InputError("soft labels are for one label a sample", "leave them out")
    return checked_soft(soft, len(outputs), outputs.num_classes, "soft")


def record_of(judged: Judged, judgement: Judgement, metrics: Metrics) -> EvaluationRecord:
    """The record of outputs that have been judged by `metrics`."""
    return EvaluationRecord(
        n=judged.n // judged.labels_per_sample,
        classes=judged.num_classes,
        labels_per_sample=judged.labels_per_sample,
        backend=numpy_backend(),
        metrics=judgement.metrics,
        intervals=judgement.intervals,
        no_interval=judgement.no_interval,
        noise_floor=judgement.noise_floor,
        **judgement.verdict.fields(),
        units=units_of(metrics, judgement.metrics),
        details=judgement.details,
        bootstrap=judgement.bootstrap,
        versions=versions(),
        judged=judged,
        effective_samples=_effective_samples(judged),
        class_names=list(judged.class_names) or None,
    )


def _effective_samples(judged: Judged) -> float | None:
    weights = judged.sample_weight
    return None if weights is None else effective_samples(weights[:: judged.labels_per_sample])


def _after(judgement: Judgement, parts: dict[str, Any]) -> dict[str, Any]:
    return {
        **parts,
        "metrics": judgement.metrics,
        "intervals": judgement.intervals,
        "no_interval": judgement.no_interval,
        "noise_floor": judgement.noise_floor,
        "details": judgement.details,
        **judgement.verdict.fields(),
    }
