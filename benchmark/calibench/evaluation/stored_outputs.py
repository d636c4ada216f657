"""evaluate: judge outputs that exist already, and say what a post-hoc fit on other samples would do for them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray

from calibench.config.from_words import resolve_chain
from calibench.data.soft import checked_soft
from calibench.errors import InputError
from calibench.evaluation.judge import judge
from calibench.kernels import backend
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics, units_of
from calibench.outputs.outputs import Outputs
from calibench.recipe.posthoc import PostHoc
from calibench.records import schemas
from calibench.records.environment import versions
from calibench.seeds import seeded

SCHEMA = schemas.EVALUATION
_KEYS = {"labels_per_sample": "questions"}
"""Fields that the document calls otherwise."""
RESAMPLES = 1000
SEED = 0
Samples = tuple[Outputs, torch.Tensor]


@dataclass(frozen=True)
class EvaluationRecord:
    """Metrics of given outputs with intervals and noise floors; with a fit also what it learned and the metrics after it."""

    n: int
    classes: int
    labels_per_sample: int
    """1, or Q where a sample has Q labels; `questions` in the document."""
    backend: str
    metrics: dict[str, float | None]
    intervals: dict[str, list[float] | None]
    noise_floor: dict[str, dict[str, float]]
    verdict: str
    units: dict[str, dict[str, Any]]
    details: dict[str, dict[str, Any]]
    bootstrap: dict[str, Any]
    versions: dict[str, str]
    fit: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    schema: str = SCHEMA
    judged: Judged | None = field(default=None, repr=False, compare=False)
    """What was judged, for diagrams; not part of the document."""
    judged_after: Judged | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document, `schema` first; `fit` and `after` only where there was a fit."""
        fields = [f.name for f in dataclasses.fields(self) if f.name not in {"schema", "judged", "judged_after"}]
        document = {_KEYS.get(name, name): value for name in fields if (value := getattr(self, name)) is not None}
        return {"schema": self.schema, **document}

    def __getitem__(self, key: str) -> Any:
        """The document's entry, so that `record["metrics"]` reads as the JSON does."""
        return self.to_dict()[key]


def evaluate_samples(
    samples: Samples,
    fit: str | None = None,
    held: Samples | None = None,
    *,
    soft: NDArray[Any] | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> EvaluationRecord:
    """`evaluate` for checked samples, those judged and those fitted on."""
    outputs, labels = samples
    if soft is not None:
        if outputs.labels_per_sample > 1:
            raise InputError("soft labels are for one label a sample", "leave them out")
        soft = checked_soft(soft, len(outputs), outputs.num_classes, "soft")
    chain = _chain(fit, held, samples) if fit is not None else None
    if fit is None and held is not None:
        raise InputError("there are samples to fit on and nothing to fit", "add --fit temperature, or leave them out")
    metrics = load_metrics()
    judged = Judged(outputs, labels, soft=soft)
    before = judge(judged, metrics, resamples=resamples, seed=seed)
    fitted = after = judged_after = None
    units = units_of(metrics, before.metrics)
    if chain is not None and fit is not None:
        with seeded(seed):
            fitted = {"recipe": fit, **_fit(chain, held)}
            mapped = chain.apply(outputs)
            decisions = chain.decide(mapped)
        judged_after = Judged(mapped, labels, decisions, soft)
        found = judge(judged_after, metrics, resamples=resamples, seed=seed)
        units |= units_of(metrics, found.metrics)
        after = {"metrics": found.metrics, "intervals": found.intervals, "noise_floor": found.noise_floor}
        after |= {"details": found.details, "verdict": _verdict(judged_after, found.metrics, found.noise_floor)}
    return EvaluationRecord(
        n=len(outputs) // outputs.labels_per_sample,
        classes=outputs.num_classes,
        labels_per_sample=outputs.labels_per_sample,
        backend=backend(),
        metrics=before.metrics,
        intervals=before.intervals,
        noise_floor=before.noise_floor,
        verdict=_verdict(judged, before.metrics, before.noise_floor),
        units=units,
        details=before.details,
        bootstrap=before.bootstrap,
        versions=versions(),
        fit=fitted,
        after=after,
        judged=judged,
        judged_after=judged_after,
    )


def _chain(fit: str, held: Samples | None, samples: Samples) -> PostHoc:
    outputs, labels = samples
    stages = resolve_chain(fit, ("calibrator", "decision"), f"fit {fit}")
    chain = PostHoc(stages, outputs.num_classes, outputs.labels_per_sample)
    if held is None:
        if chain.needs_fit:
            raise InputError(
                f"fit {fit} needs samples to fit on", "give --fit-on VALFILE, other samples than those judged"
            )
        return chain
    if not chain.needs_fit:
        raise InputError(f"{fit} fits nothing, so the samples to fit on would do nothing", "leave out --fit-on")
    other, other_labels = held
    if (other.num_classes, other.labels_per_sample) != (outputs.num_classes, outputs.labels_per_sample):
        message = f"{other.num_classes} classes to fit on, {outputs.num_classes} to judge"
        if other.labels_per_sample != outputs.labels_per_sample:
            message = f"{other.labels_per_sample} labels a sample to fit on, {outputs.labels_per_sample} to judge"
        raise InputError(message, "both must come from the same classifier")
    if other.scores.shape == outputs.scores.shape and bool(
        (other.scores == outputs.scores).all() and (other_labels == labels).all()
    ):
        raise InputError(
            "the samples to fit on are those that are judged", "a fit must be judged on samples it has not seen"
        )
    return chain


def _fit(chain: PostHoc, held: Samples | None) -> dict[str, Any]:
    """What each stage learned, flat; a second stage's figures that share a name are kept under `stage.name`."""
    learned: dict[str, Any] = {}
    if held is None:
        return learned
    for stage in chain.fit(*held):
        name = stage.pop("stage")
        learned |= {key if key not in learned else f"{name}.{key}": value for key, value in stage.items()}
    return {**learned, "n": len(held[0]) // held[0].labels_per_sample}


def _verdict(judged: Judged, metrics: dict[str, float | None], floors: dict[str, dict[str, float]]) -> str:
    """One sentence: the mean gap between confidence and accuracy, and whether ECE15 is more than chance explains."""
    ece, floor = metrics.get("ece15"), floors.get("ece15")
    gap = float(judged.confidence.mean() - judged.correct.mean())
    lean = f"mean confidence {100 * judged.confidence.mean():.2f} %, accuracy {100 * judged.correct.mean():.2f} %"
    if ece is None or floor is None:
        return lean
    figures = f"ECE15 {100 * ece:.2f} %, a perfectly calibrated model stays under {100 * floor['p95']:.2f} % in 95 of 100 draws"
    if ece <= floor["p95"]:
        what = "samples" if judged.labels_per_sample == 1 else "answers"
        return f"no sign of miscalibration in {judged.n} {what}: {figures}; {lean}"
    way = "over-confident" if gap > 0 else "under-confident"
    return f"miscalibrated, on the whole {way}: {figures}; {lean}"
