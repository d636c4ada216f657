"""`calibench.gate`: limits of figures, and a comparison with a baseline, decided by bounds at a confidence."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calibench.errors import InputError
from calibench.evaluation.cross_fit import Samples
from calibench.evaluation.fit import AUTO, apply_fit, check_fit
from calibench.evaluation.gate.baseline import Change, changes, no_worse, refuse_other_rows, refuse_unordered
from calibench.evaluation.gate.bounds import bounds_of, refuse_few, sampling_of
from calibench.evaluation.gate.check import Check, check_of_limit, outcome_of
from calibench.evaluation.gate.gate_result import GateResult
from calibench.evaluation.gate.limit import Limit, Texts, gateable, limits_of, margins_of
from calibench.evaluation.gate.too_few import about_needed, too_few
from calibench.evaluation.judge import applicable
from calibench.evaluation.names_given import names_given
from calibench.evaluation.samples_given import samples_given
from calibench.evaluation.warnings import warnings_about
from calibench.metrics.bootstrap import SEED
from calibench.metrics.judged import Judged
from calibench.metrics.load import Metrics, load_metrics
from calibench.outputs.readers import Columns, SamplesFile, aligned, read_samples
from calibench.progress import Report, quiet

CONFIDENCE = 0.95
COMPARED = "brier"
"""The metric that `no_worse` compares if neither a limit nor a margin names one."""


@dataclass(frozen=True)
class Asked:
    """The checks that a gate makes: limits, and metrics that are compared with the baseline, with a margin or without."""

    limits: tuple[Limit, ...]
    metrics: Metrics
    compared: Mapping[str, float | None] = field(default_factory=dict)
    """The margin of each metric that is compared; None without one."""
    confidence: float = CONFIDENCE


def asked(
    largest: Texts = (),
    smallest: Texts = (),
    *,
    baseline: bool = False,
    no_worse: bool = False,
    margin: Texts = (),
    confidence: float = CONFIDENCE,
) -> Asked:
    """The checks that these options ask for; `largest` and `smallest` are those of `max` and `min`.

    InputError for checks that cannot be made, before any file is read.
    """
    sampling_of(confidence, SEED)
    (of_max, metrics), (of_min, others) = limits_of(largest, "max"), limits_of(smallest, "min")
    metrics = {**metrics, **others}
    limits = (*of_max, *of_min)
    margins = margins_of(margin)
    if (no_worse or margins) and not baseline:
        raise InputError("there is nothing to compare with", "add --baseline OLD, the outputs of the earlier model")
    if baseline and not (no_worse or margins):
        raise InputError("the baseline is compared with nothing", "add --no-worse, or --margin NAME=V")
    if not limits and not (no_worse or margins):
        raise InputError("the gate has no check", "add --max NAME=V or --min NAME=V, as --max ece15=0.03")
    if len({(limit.metric, limit.kind) for limit in limits}) < len(limits):
        raise InputError(f"a limit is given twice: {', '.join(map(str, limits))}", "keep one of the two")
    compared: dict[str, float | None] = {}
    for name, value in margins.items():
        ((own_name, loaded),) = gateable(name, "margin").items()
        metrics[own_name], compared[own_name] = loaded, value
    if no_worse:
        ordered = {limit.metric for limit in limits if metrics[limit.metric][0].rankable}
        names = [name for name in dict.fromkeys(limit.metric for limit in limits) if name in ordered]
        if not names and not compared:
            names, metrics = [COMPARED], {**metrics, **load_metrics(COMPARED)}
        compared = {**dict.fromkeys(names), **compared}
    refuse_unordered({name: metrics[name] for name in compared})
    return Asked(limits, metrics, compared, confidence)


@dataclass(frozen=True)
class Fit:
    """Post-hoc stages before the gate, such as a decision rule: the recipe, and samples to fit it on or folds."""

    recipe: str | None = None
    samples: Samples | None = None
    folds: int | None = None


def gate_samples(
    samples: Samples,
    checks: Asked,
    *,
    baseline: Samples | None = None,
    fit: Fit = Fit(),
    class_names: tuple[str, ...] = (),
    seed: int = SEED,
    report: Report = quiet,
) -> GateResult:
    """The outcome of `checks` on `samples`, whose classes a rule may call by `class_names`.

    Raises InputError for samples that cannot show the checks, whatever the model answers.
    """
    judged = _judged(samples, fit, class_names, seed)
    n = judged.n // judged.labels_per_sample
    refuse_few(n, checks.metrics)
    _refuse_inapplicable(judged, checks.metrics)
    results = _of_limits(judged, checks, n, seed, report)
    if baseline is not None:
        refuse_other_rows(samples[1], baseline[1])
        if fit.samples is not None or fit.folds is not None:
            raise InputError(
                "a fit of the judged model is not one of the baseline", "calibrate both, and gate the results"
            )
        results += _of_baseline(judged, _judged(baseline, fit, class_names, seed), checks, seed)
    return GateResult(tuple(results), checks.confidence, n, tuple(warnings_about(judged)))


def _judged(samples: Samples, fit: Fit, class_names: tuple[str, ...], seed: int) -> Judged:
    if fit.recipe == AUTO:
        raise InputError(
            "a gate takes no fit auto: its map may change with the samples", "name the map, as temperature"
        )
    check_fit(fit.recipe, fit.samples, fit.folds, samples, class_names)
    if fit.recipe is None:
        return Judged(*samples)
    fit_on = samples if fit.samples is None else fit.samples
    after = apply_fit(fit.recipe, fit_on, fit.folds, samples, seed, class_names)
    return Judged(after.outputs, samples[1], after.decisions)


def _refuse_inapplicable(judged: Judged, metrics: Metrics) -> None:
    """InputError for a metric that these samples do not have, such as coverage without a decision rule."""
    able = applicable(judged, metrics)
    missing = [name for name in metrics if name not in able]
    if missing and judged.decisions is None and metrics[missing[0]][0].needs_decision:
        hint = "add a rule: --fit threshold:value=0.8, or --fit RECIPE --fit-on VALFILE"
        raise InputError(f"{missing[0]} needs a decision rule", hint)
    if missing:
        raise InputError(
            f"{missing[0]} does not apply to these samples", f"calibench show metric {missing[0]} says what it needs"
        )


def _of_limits(judged: Judged, checks: Asked, n: int, seed: int, report: Report) -> list[Check]:
    names = dict.fromkeys(limit.metric for limit in checks.limits)
    sampling = sampling_of(checks.confidence, seed)
    limited = {name: checks.metrics[name][1] for name in names}
    found = bounds_of(judged, limited, sampling, report) if limited else {}
    results, refused = [], []
    for limit in checks.limits:
        bounds, (spec, metric) = found[limit.metric], checks.metrics[limit.metric]
        needed = None
        if outcome_of(limit, bounds) == "not_shown":
            refused.append(too_few(judged, metric, limit, bounds, (1 - sampling.level) / 2))
            needed = about_needed(limit, bounds, n)
        results.append(check_of_limit(limit, bounds, spec.unit, needed))
    if any(refused):
        raise InputError("; ".join(filter(None, refused)), "judge more samples, or set a limit that these can show")
    return results


def _of_baseline(new: Judged, old: Judged, checks: Asked, seed: int) -> list[Check]:
    """The comparisons: those without a margin share the confidence, since one false alarm fails the gate."""
    results: dict[str, Change] = {}
    alarms = [name for name, margin in checks.compared.items() if margin is None]
    shown = [name for name, margin in checks.compared.items() if margin is not None]
    for names, count in ((alarms, len(alarms)), (shown, 1)):
        if names:
            metrics = {name: checks.metrics[name][1] for name in names}
            results |= changes(new, old, metrics, sampling_of(checks.confidence, seed, count))
    return [no_worse(name, checks.metrics, results[name], margin) for name, margin in checks.compared.items()]


def gate(  # noqa: PLR0913 - the public API: an argument for each option of the command line
    logits: Any = None,
    labels: Any = None,
    *,
    probs: Any = None,
    file: str | Path | None = None,
    max: Texts = (),  # noqa: A002 - as the command line calls it
    min: Texts = (),  # noqa: A002
    baseline: str | Path | None = None,
    baseline_logits: Any = None,
    baseline_probs: Any = None,
    no_worse: bool = False,
    margin: Texts = (),
    confidence: float = CONFIDENCE,
    fit: str | None = None,
    fit_on: str | Path | None = None,
    cross_fit: int | None = None,
    class_names: Sequence[str] | None = None,
    seed: int = SEED,
) -> GateResult:
    """Check limits of figures of `logits` or `probs` `[N, K]` with `labels [N]`, or of a `file`; each decided by its interval.

    `max={"ece15": 0.03}` holds if the upper bound of the population value is at most 0.03, `min={"accuracy": 0.9}` if the lower
    bound is at least 0.9. Each bound holds at `confidence`: it is an end of the interval of level `2 confidence - 1` (of shares,
    Clopper and Pearson's). Figures are in the units of `calibench.evaluate`: fractions, nats.

    With `no_worse`, a metric with a limit (`brier` where there is none) must not be shown to be worse than that of the `baseline`
    file, or of `baseline_logits` or `baseline_probs`, on the same rows; with `margin={"brier": 0.005}` it must be shown to be
    worse by no more than that. `fit` is a recipe that is applied first, such as the rule `threshold:value=0.8`; `fit_on` is a
    file of samples to fit it on, and `cross_fit` a number of folds. With `class_names`, those of the columns, labels may be words,
    and the columns of a baseline file and of `fit_on` are matched by name; for a `file`, they name its columns as `--classes` does.

    Raises InputError for a metric without an interval, for samples too few to show a limit (it says how many are needed), and for
    a baseline of other rows.
    """
    has_baseline = baseline is not None or baseline_logits is not None or baseline_probs is not None
    checks = asked(max, min, baseline=has_baseline, no_worse=no_worse, margin=margin, confidence=confidence)
    if file is not None and any(given is not None for given in (logits, probs, labels)):
        raise InputError("give a file, or arrays, one of them", "as gate(file='test.npz', max={'ece15': 0.03})")
    names = names_given(class_names)
    columns = Columns(classes=names if file is not None else None)
    if file is not None:
        judged = read_samples(file, columns)
    else:
        outputs, truth = samples_given(logits, probs, labels, "", names)
        judged = SamplesFile("class_names", outputs, truth, names)
    if baseline is not None and (baseline_logits is not None or baseline_probs is not None):
        raise InputError("give a baseline file, or its outputs, one of them", "as baseline_logits=z")
    old: Samples | None = None
    if baseline is not None:
        old = aligned(read_samples(baseline, columns), judged).samples
    elif has_baseline:
        old = samples_given(baseline_logits, baseline_probs, _labels_again(judged.samples), "baseline_")
    fit_file = None if fit_on is None else aligned(read_samples(fit_on, columns), judged).samples
    own = tuple(judged.class_names or ())
    fitting = Fit(fit, fit_file, cross_fit)
    result = gate_samples(judged.samples, checks, baseline=old, fit=fitting, class_names=own, seed=seed)
    return result if file is None else dataclasses.replace(result, file=str(file), notes=judged.notes)


def _labels_again(samples: Samples) -> Any:
    """The labels as a user gives them: `[N]`, or `[N, Q]` of samples with several labels."""
    outputs, labels = samples
    return labels if outputs.labels_per_sample == 1 else labels.reshape(-1, outputs.labels_per_sample)
