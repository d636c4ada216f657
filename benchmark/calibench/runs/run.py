"""run_reporting: the one place that knows all stages, from a configuration to a stored record."""

from __future__ import annotations

import datetime
import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from calibench.atomic import writable_folders
from calibench.cache.code import code_of
from calibench.cache.stage_cache import StageCache
from calibench.config.grammar import Bound
from calibench.config.run_config import RunConfig
from calibench.data.folder import using_data_folder
from calibench.data.load import load_data
from calibench.data.load_shifts import Shift, load_shifts
from calibench.data.ood import OodSet, load_ood
from calibench.data.prepare import SPLITS, Data
from calibench.errors import InputError
from calibench.evaluation.added_figures import AddedFigures
from calibench.evaluation.judge import Judgement, judge
from calibench.evaluation.ood import judge_ood
from calibench.evaluation.shift import judge_shifts
from calibench.kernels import backend
from calibench.metrics.judged import Judged
from calibench.metrics.load import Metrics, load_metrics, units_of
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs
from calibench.outputs.several_labels import as_stored, label_scores
from calibench.processes import joined
from calibench.progress import Report
from calibench.recipe.members import Members
from calibench.recipe.posthoc import PostHoc, checked
from calibench.records import store
from calibench.records.environment import machine, versions
from calibench.records.record import ResultRecord
from calibench.runs.identity import known
from calibench.seeds import derived_seed, seeded

RESAMPLES = 1000
BOOTSTRAP_SEED = 0
"""One bootstrap stream for every run, so that the replicates of two methods on one test split are paired."""


def run_reporting(
    config: RunConfig,
    *,
    results: Path | None,
    force: bool,
    report: Report,
    made: set[str] | None = None,
    data_dir: str | Path | None = None,
    download: bool = False,
) -> tuple[ResultRecord, bool]:
    """The record of `config`, and whether it was there already; `made` is shared by the runs of one command."""
    start = time.perf_counter()
    processes = joined(config.device)
    with processes.first_alone(), using_data_folder(data_dir, download, report) as folder:
        data = load_data(config)
        shifts, ood_sets = load_shifts(config.shift_and_ood.shifts, data), load_ood(config.shift_and_ood.ood, data)
    if not folder.asked and (data_dir is not None or download):
        idle = "a data folder" if data_dir is not None else "a download"
        message = f"dataset {config.dataset.name!r} reads no published files: {idle} would do nothing"
        raise InputError(message, "leave out --data-dir and --download (data_dir, download)")
    seconds = time.perf_counter() - start
    config, keep = known(config, data)
    code = _code(config)
    run_id = config.run_id("+".join([data.fingerprint, *(held.fingerprint for held in ood_sets)]))
    kept = results / store.CACHE if results is not None and keep else None
    cache = StageCache(kept, fresh=force, made=made, processes=processes)
    pipeline = Members(config, data, cache, report)
    posthoc = PostHoc(
        config.of_kind("calibrator") + config.of_kind("decision"), data.num_classes, data.labels_per_sample
    )
    # Files that have changed since make another run.
    code += pipeline.first.objective.files + pipeline.first.checkpoint + posthoc.files
    code += hashlib.sha256(pipeline.network.origin.encode()).hexdigest()[:16] if pipeline.network.origin else ""
    code += "".join(shift.files for shift in shifts)
    metrics = load_metrics()
    if results is not None:
        found = store.find(results, run_id, code) if processes.first and keep and not force else None
        if found is not None:
            found = store.named_by(results, found, config.preset)
        if (there := processes.same(found)) is not None:
            return there, True
        if processes.first:
            writable_folders([results / name for name in (store.RECORDS, store.PREDICTIONS, store.CACHE)])

    outputs = {
        name: checked(found, f"{config.recipe}, {name} split") for name, found in pipeline.run(("cal", "test")).items()
    }
    if not processes.first:  # rank 0 fits, judges and writes for all
        return processes.same(None), False  # type: ignore[return-value]
    labels = {name: torch.from_numpy(getattr(data, name).y).flatten() for name in outputs}
    with pipeline.timed("posthoc"), seeded(pipeline.seeds["posthoc"]):
        fitted = pipeline.fitted + posthoc.fit(outputs["cal"], labels["cal"], stored=as_stored)
        final = {name: as_stored(posthoc.apply(found)) for name, found in outputs.items()}
        decisions = posthoc.decide(final["test"])
        final = {name: as_stored(found.plain()) for name, found in final.items()}
    with pipeline.timed("judge"):
        report("judge", 0, 1, "bootstrap and noise floor")
        judged = Judged(final["test"], labels["test"], decisions, data.test_soft)
        judgement = judge(judged, metrics, resamples=RESAMPLES, seed=BOOTSTRAP_SEED)
        report("judge", 1, 1, "")

    extra = _beyond(config, shifts, ood_sets, pipeline, posthoc, data, metrics, final["test"], report)
    record = ResultRecord(
        run_id=run_id,
        recipe=config.recipe,
        dataset=config.dataset.text(),
        model=config.model.text(),
        seed=config.seed,
        noise=None if config.noise is None else config.noise.text(),
        backend=backend(),
        n=data.sizes(),
        metrics=judgement.metrics | extra.metrics,
        intervals=judgement.intervals | extra.intervals,
        noise_floor={**judgement.noise_floor, **extra.noise_floor},
        timings_s=_seconds({"data": seconds, **pipeline.timings, "total": time.perf_counter() - start}),
        versions=versions(_distributions(config)),
        units=units_of(metrics, judgement.metrics) | extra.units,
        details=judgement.details,
        fitted=fitted,
        config=config.document(),
        seeds={"run": config.seed, **pipeline.seeds, **_data_seeds(config), "bootstrap": BOOTSTRAP_SEED},
        bootstrap=judgement.bootstrap,
        data=_about(config, data) | extra.data,
        machine=machine(torch.get_num_threads(), config.device)
        | ({"ranks": processes.size} if processes.size > 1 else {}),
        code=code,
        cache={"hits": cache.hits, "made": cache.misses} | ({"resumed": cache.resumed} if cache.resumed else {}),
        shift=extra.shift,
        ood=extra.ood,
        preset=None if config.preset is None else dict(config.preset),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    if results is not None:
        record = store.write(results, record, _arrays(final, data, decisions, judgement) | extra.arrays)
    return processes.same(record), False


def _beyond(
    config: RunConfig,
    shifts: Sequence[Shift],
    ood_sets: Sequence[OodSet],
    pipeline: Members,
    posthoc: PostHoc,
    data: Data,
    metrics: Metrics,
    test: Outputs,
    report: Report,
) -> AddedFigures:
    """The run judged on shifted test splits and OOD sets, with all that was fitted left as it is."""

    def say(inputs: Mapping[str, NDArray[np.float32]]) -> dict[str, tuple[Outputs, Decisions | None]]:
        said = {}
        for name, found in pipeline.outputs_of(inputs).items():
            with seeded(derived_seed(pipeline.seeds["posthoc"], name)):
                calibrated = as_stored(posthoc.apply(checked(found, f"{config.recipe}, {name}")))
                said[name] = as_stored(calibrated.plain()), posthoc.decide(calibrated)
        return said

    extra, drawn = AddedFigures(), {"resamples": RESAMPLES, "seed": BOOTSTRAP_SEED}
    if shifts:
        with pipeline.timed("shift"):
            extra |= judge_shifts(shifts, say, data, metrics, **drawn, report=report)
    if ood_sets:
        with pipeline.timed("ood"):
            extra |= judge_ood(ood_sets, config.shift_and_ood, say, test, **drawn, report=report)
    return extra


def _arrays(
    final: dict[str, Outputs], data: Data, decisions: Decisions | None, judgement: Judgement
) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for name, outputs in final.items():
        split = getattr(data, name)
        scores = label_scores(outputs) if data.labels_per_sample > 1 else outputs.scores
        arrays[f"{name}.{'probs' if outputs.from_probs else 'logits'}"] = scores.numpy()
        arrays[f"{name}.labels"], arrays[f"{name}.ids"] = split.y, split.ids
    if data.test_soft is not None:
        arrays["test.soft"] = data.test_soft
    if decisions is not None:
        arrays["test.decisions"] = decisions.answers.numpy().reshape(data.test.y.shape)
        if decisions.sets is not None:
            arrays["test.sets"] = decisions.sets.numpy().reshape(*data.test.y.shape, data.num_classes)
    return arrays | {f"bootstrap.{name}": values for name, values in judgement.replicates.items()}


def _about(config: RunConfig, data: Data) -> dict[str, Any]:
    spec = config.dataset.spec
    return {
        "fingerprint": data.fingerprint,
        "clean_fingerprint": data.clean_fingerprint,
        "test_fingerprint": data.test_fingerprint,
        "classes": data.num_classes,
        "questions": data.labels_per_sample,
        "splits": list(SPLITS),
        "licence": spec.licence,
        "source": spec.source,
        "notes": list(data.notes),
        "noise": None if data.noise is None else dict(data.noise),
    }


def _pieces(config: RunConfig) -> list[Bound]:
    noise = [config.noise] if config.noise else []
    return [*config.stages, config.dataset, config.model, *noise, *config.shift_and_ood.pieces]


def _code(config: RunConfig) -> str:
    return hashlib.sha256(" ".join(code_of(piece) for piece in _pieces(config)).encode()).hexdigest()[:16]


def _distributions(config: RunConfig) -> list[str]:
    from calibench.plugins.discovery import registry

    named = [piece for piece in _pieces(config) if not piece.spec.in_process]
    return [registry().get(piece.spec.family, piece.name).plugin.distribution for piece in named]


def _data_seeds(config: RunConfig) -> dict[str, int]:
    seeds = {"split": int(config.dataset.params["split_seed"])}  # type: ignore[arg-type]
    return seeds | ({"noise": derived_seed(config.seed, "noise")} if config.noise else {})


def _seconds(timings: dict[str, float]) -> dict[str, float]:
    return {name: round(seconds, 4) for name, seconds in timings.items()}
