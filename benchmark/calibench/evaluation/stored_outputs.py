"""Judge stored outputs, before and after post-hoc stages that are fitted on other samples."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from numpy.typing import NDArray

from calibench.config.resolve import resolve_chain
from calibench.data.soft import checked_soft
from calibench.errors import InputError
from calibench.evaluation.calibration_test import BINS
from calibench.evaluation.evaluation_record import EvaluationRecord
from calibench.evaluation.judge import RESAMPLES, SEED, Judgement, judge
from calibench.evaluation.warnings import warnings_about
from calibench.kernels import backend
from calibench.metrics.judged import Judged
from calibench.metrics.load import Metrics, load_metrics, units_of
from calibench.outputs.outputs import Outputs
from calibench.recipe.posthoc import PostHoc
from calibench.records.environment import versions
from calibench.seeds import seeded

Samples = tuple[Outputs, torch.Tensor]
"""Outputs and labels, checked."""


def evaluate_samples(
    samples: Samples,
    fit: str | None = None,
    fit_samples: Samples | None = None,
    *,
    soft: NDArray[Any] | None = None,
    metrics: str | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> EvaluationRecord:
    """Judge `samples`; `fit` is a recipe of calibrators and a decision rule that is fitted on `fit_samples`.

    `soft` are the shares `[N, K]` of people who gave each label. `metrics` lists the metrics, as in `brier,ece:bins=20`; None
    is the default set. Raises InputError for samples that do not go together.
    """
    outputs, labels = samples
    soft = _checked_soft(soft, outputs)
    chain = None if fit is None else _chain(fit, fit_samples, samples)
    if fit is None and fit_samples is not None:
        raise InputError("there are samples to fit on and nothing to fit", "add --fit temperature, or leave them out")
    chosen = load_metrics(metrics)
    judged = Judged(outputs, labels, soft=soft)
    before = judge(judged, chosen, resamples=resamples, seed=seed)
    record = _record(judged, before, chosen)
    if chain is None or fit is None:
        return record
    with seeded(seed):
        fitted = {"recipe": fit, **_fit(chain, fit_samples)}
        calibrated, decisions = chain.judged(outputs)
    judged_after = Judged(calibrated, labels, decisions, soft)
    after = judge(judged_after, chosen, resamples=resamples, seed=seed)
    return dataclasses.replace(
        record,
        units=record.units | units_of(chosen, after.metrics),
        fit=fitted,
        after=_after(judged_after, after),
        judged_after=judged_after,
    )


def _checked_soft(soft: NDArray[Any] | None, outputs: Outputs) -> NDArray[Any] | None:
    if soft is None:
        return None
    if outputs.labels_per_sample > 1:
        raise InputError("soft labels are for one label a sample", "leave them out")
    return checked_soft(soft, len(outputs), outputs.num_classes, "soft")


def _record(judged: Judged, judgement: Judgement, metrics: Metrics) -> EvaluationRecord:
    return EvaluationRecord(
        n=judged.n // judged.labels_per_sample,
        classes=judged.num_classes,
        labels_per_sample=judged.labels_per_sample,
        backend=backend(),
        metrics=judgement.metrics,
        intervals=judgement.intervals,
        noise_floor=judgement.noise_floor,
        **_conclusions(judged, judgement),
        units=units_of(metrics, judgement.metrics),
        details=judgement.details,
        bootstrap=judgement.bootstrap,
        versions=versions(),
        judged=judged,
    )


def _after(judged: Judged, judgement: Judgement) -> dict[str, Any]:
    return {
        "metrics": judgement.metrics,
        "intervals": judgement.intervals,
        "noise_floor": judgement.noise_floor,
        "details": judgement.details,
        **_conclusions(judged, judgement),
    }


def _conclusions(judged: Judged, judgement: Judgement) -> dict[str, Any]:
    """The fields of the record that say what follows from the figures."""
    verdict = judgement.verdict
    return {
        "verdict": verdict.sentence,
        "calibrated": verdict.calibrated,
        "findings": verdict.findings,
        "detectable": verdict.detectable,
        "mean_confidence": verdict.mean_confidence,
        "bins": BINS,
        "warnings": warnings_about(judged),
    }


def _chain(fit: str, fit_samples: Samples | None, samples: Samples) -> PostHoc:
    """The post-hoc stages of the recipe `fit`; InputError unless the samples to fit on suit them and the judged samples."""
    outputs, _ = samples
    stages = resolve_chain(fit, ("calibrator", "decision"), f"fit {fit}")
    chain = PostHoc(stages, outputs.num_classes, outputs.labels_per_sample)
    if fit_samples is None:
        if chain.needs_fit:
            hint = "give --fit-on VALFILE, other samples than those judged"
            raise InputError(f"fit {fit} needs samples to fit on", hint)
        return chain
    if not chain.needs_fit:
        raise InputError(f"{fit} fits nothing, so the samples to fit on would do nothing", "leave out --fit-on")
    _check_fit_samples(fit_samples, samples)
    return chain


def _check_fit_samples(fit_samples: Samples, samples: Samples) -> None:
    outputs, labels = samples
    fit_outputs, fit_labels = fit_samples
    if fit_outputs.labels_per_sample != outputs.labels_per_sample:
        message = f"{fit_outputs.labels_per_sample} labels a sample to fit on, {outputs.labels_per_sample} to judge"
        raise InputError(message, "both must come from the same classifier")
    if fit_outputs.num_classes != outputs.num_classes:
        message = f"{fit_outputs.num_classes} classes to fit on, {outputs.num_classes} to judge"
        raise InputError(message, "both must come from the same classifier")
    if fit_outputs.scores.shape == outputs.scores.shape and bool(
        (fit_outputs.scores == outputs.scores).all() and (fit_labels == labels).all()
    ):
        hint = "a fit must be judged on samples it has not seen"
        raise InputError("the samples to fit on are those that are judged", hint)


def _fit(chain: PostHoc, fit_samples: Samples | None) -> dict[str, Any]:
    """The parameters of every stage in one dictionary; a name that two stages share is `stage.name` for the second."""
    learned: dict[str, Any] = {}
    if fit_samples is None:
        return learned
    for stage in chain.fit(*fit_samples):
        name = stage.pop("stage")
        learned |= {key if key not in learned else f"{name}.{key}": value for key, value in stage.items()}
    return {**learned, "n": len(fit_samples[0]) // fit_samples[0].labels_per_sample}
