"""Fit a calibration map to labelled scores: by a recipe, or by the map that `calibench evaluate` advises."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calibench.config.resolve import resolve_chain
from calibench.errors import InputError, RunError
from calibench.evaluation.advice import Advice, advise
from calibench.evaluation.cross_fit import Samples
from calibench.evaluation.fit import AUTO
from calibench.evaluation.names_given import names_given
from calibench.evaluation.samples_given import samples_given
from calibench.evaluation.soft_fit import with_drawn_labels
from calibench.lazy import np
from calibench.maps.calibration_map import CalibrationMap
from calibench.maps.check_rows import results
from calibench.maps.document import MapDocument
from calibench.maps.stage_entries import entries_of, stages_of
from calibench.metrics.bootstrap import SEED
from calibench.outputs.arrays import as_array
from calibench.outputs.outputs import Outputs
from calibench.outputs.stored_outputs import tensors_of
from calibench.outputs.top_label import refuse_top_label
from calibench.plugins.discovery import registry
from calibench.records.environment import versions
from calibench.seeds import seeded

MOST_COUNTS = 1000
"""The number of rows of each class is stated for at most so many classes."""


def fit_map(
    logits: Any = None,
    labels: Any = None,
    *,
    probs: Any = None,
    method: str = AUTO,
    class_names: Sequence[str] | None = None,
    soft: Any = None,
    seed: int = SEED,
) -> CalibrationMap:
    """A calibration map fitted to `logits` or `probs` `[N, K]` with class indices `labels [N]`, or words of `class_names`.

    `method` is a recipe of calibrators and a decision rule, as `temperature+threshold:value=0.8`; `auto` is the map that the
    advice of `calibench evaluate` names. Where samples have several labels, scores and labels are `[N, Q]`. `class_names` are
    those of the columns. With `soft`, the shares `[N, K]` of people who gave each label, labels are drawn from the shares.

    Raises InputError for samples that do not go together, and RunError if `auto` finds no map that helps.
    """
    names = names_given(class_names)
    samples = samples_given(logits, probs, labels, "", names)
    return fit_samples(samples, method, class_names=names, soft=soft, seed=seed)


def fit_samples(
    samples: Samples,
    method: str = AUTO,
    *,
    class_names: Sequence[str] | None = None,
    soft: Any = None,
    seed: int = SEED,
    source: dict[str, Any] | None = None,
) -> CalibrationMap:
    """A calibration map fitted to checked samples; `source` names their file. Errors as `fit_map`."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"seed {seed!r} is not a whole number from 0 up", "as seed=0")
    outputs = samples[0]
    refuse_top_label(outputs, "a map")
    names = _names(class_names, outputs)
    fit_on = samples if soft is None else with_drawn_labels(samples, soft, seed, "soft")
    advice = _advised(fit_on, seed) if method == AUTO else None
    recipe = method if advice is None else str(advice["recipe"])
    return CalibrationMap(_fitted(recipe, fit_on, names, seed, _fitted_on(fit_on, method, soft, advice, source)))


def _names(class_names: Sequence[str] | None, outputs: Outputs) -> list[str] | None:
    """The names as text; InputError unless there is one for each column of scores, and each another."""
    names = names_given(class_names)
    if names is None:
        return None
    columns = outputs.labels_per_sample if outputs.labels_per_sample > 1 else outputs.num_classes
    if len(names) != columns:
        raise InputError(f"{len(names)} class_names for {columns} columns of scores", "give one a column")
    return list(names)


def _advised(samples: Samples, seed: int) -> Advice:
    """The advice; RunError if no map helps."""
    advice = advise(samples, seed)
    if advice["recipe"] is None:
        gain, interval = advice["nll_gain"], advice["interval"]
        found = (
            "no map could be fitted"
            if gain is None or interval is None
            else f"the best gains {gain:.4f} nats a sample, with the interval {interval[0]:.4f} to {interval[1]:.4f}"
        )
        message = f"no map helps on these samples: {found} ({advice['samples']} samples, {advice['folds']} folds)"
        raise RunError(message, "use the scores as they are, or name a recipe: --method temperature")
    return advice


def _fitted(
    recipe: str, samples: Samples, names: list[str] | None, seed: int, fitted_on: dict[str, Any]
) -> MapDocument:
    from calibench.maps.chain import Chain, state_after_fit
    from calibench.recipe.posthoc import PostHoc

    outputs, labels = tensors_of(*samples)
    stages = resolve_chain(recipe, ("calibrator", "decision"), f"fit {recipe}")
    posthoc = PostHoc(stages, outputs.num_classes, outputs.labels_per_sample, class_names=tuple(names or ()))
    with seeded(seed):
        learned = posthoc.fit(outputs, labels)
        state = state_after_fit(seed)
    entries, files = entries_of(stages, learned)
    distributions = {registry().get("method", bound.name).plugin.distribution for bound in stages}
    document = MapDocument(
        recipe="+".join(bound.text() for bound in stages),
        stages=entries,
        classes=outputs.num_classes,
        labels_per_sample=outputs.labels_per_sample,
        class_names=names,
        scores="probs" if outputs.from_probs else "logits",
        fitted_on=fitted_on,
        seed=seed,
        random_state=state,
        check=None,
        files=files,
        versions=versions(distributions),
    )
    checked = results(document, Chain(document, stages_of(document, "the map")))
    return MapDocument(**{**vars(document), "check": checked})


def _fitted_on(
    samples: Samples, method: str, soft: Any, advice: Advice | None, source: dict[str, Any] | None
) -> dict[str, Any]:
    """What the map was fitted on: file, rows, labels, and how the recipe was chosen."""
    outputs, labels = samples
    rows = len(labels) // outputs.labels_per_sample
    described: dict[str, Any] = {
        "file": None,
        "sha256": None,
        **(source or {}),
        "rows": rows,
        "method": method,
        "labels": "as given" if soft is None else "drawn from the shares",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    if advice is not None:
        described["advice"] = dict(advice)
    columns = outputs.labels_per_sample if outputs.labels_per_sample > 1 else outputs.num_classes
    if columns <= MOST_COUNTS:
        truth = as_array(labels)
        several = outputs.labels_per_sample > 1
        counts = truth.reshape(-1, columns).sum(axis=0) if several else np.bincount(truth, minlength=columns)
        described["label_counts"] = [int(count) for count in counts]
    return described


def fit_file(
    path: str | Path, columns: Any, method: str = AUTO, *, soft: Any = None, seed: int = SEED
) -> tuple[CalibrationMap, tuple[str, ...]]:
    """A map fitted to the samples in a file, and notes on how the file was read."""
    from calibench.atomic import digest_of
    from calibench.outputs.readers import local_file, read_samples

    file = read_samples(path, columns)
    source = {"file": str(path), "sha256": digest_of(local_file(path))}
    fitted = fit_samples(file.samples, method, class_names=file.class_names, soft=soft, seed=seed, source=source)
    return fitted, file.notes
