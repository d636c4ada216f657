"""One run, from its configuration to its stored record: the only module that knows every step."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import torch

from calibench.atomic import writable_folders
from calibench.cache.stage_cache import StageCache
from calibench.config.run_config import RunConfig
from calibench.data.prepare import Data
from calibench.evaluation.advice import Advice, advise
from calibench.evaluation.cross_fit import Samples
from calibench.evaluation.judge import Judgement, judge
from calibench.metrics.judged import Judged
from calibench.metrics.load import DEFAULT, Metrics, load_metrics, units_of
from calibench.outputs.several_labels import round_to_float32
from calibench.plugins.lifecycle import metrics_computed
from calibench.plugins.listeners import clock
from calibench.processes import Processes, joined
from calibench.progress import Report, quiet
from calibench.recipe.members import Members
from calibench.recipe.posthoc import PostHoc, checked
from calibench.records import store
from calibench.records.record import ResultRecord
from calibench.runs.already_there import stored_record
from calibench.runs.announced import Announced
from calibench.runs.identity import Identity, identify
from calibench.runs.in_memory import describe_in_memory
from calibench.runs.inputs import Inputs, load_inputs
from calibench.runs.options import RunOptions
from calibench.runs.result import RunResult
from calibench.runs.run_lock import run_lock
from calibench.runs.shift_and_ood import Judging, judge_shift_and_ood
from calibench.seeds import seeded


def run_config(
    config: RunConfig, options: RunOptions, report: Report = quiet, fresh_keys: set[str] | None = None
) -> tuple[ResultRecord, bool]:
    """The record of `config`, and whether it was there already.

    `fresh_keys` are the cache keys that runs of one command have made: with `options.force` each is made once and shared.
    Raises InputError before anything is written, RunError for a run that fails.
    """
    start = clock()
    processes = joined(config.device)
    inputs = load_inputs(config, options, processes, report)
    config, may_cache = describe_in_memory(config, inputs.data)
    folder = options.results / store.CACHE if options.results is not None and may_cache else None
    cache = StageCache(folder, fresh=options.force, fresh_keys=fresh_keys, processes=processes)
    members = Members(config, inputs.data, cache, report)
    posthoc = posthoc_of(config, inputs.data)
    identity = identify(config, inputs, members, posthoc)
    metrics = load_metrics() if options.metrics is None else load_metrics(f"{DEFAULT},{options.metrics}")
    announced = Announced(config, identity, options, processes, start)
    asked = options if may_cache else dataclasses.replace(options, force=True)
    record = stored_record(config, inputs.data, identity, asked, processes)
    if record is not None:
        announced.stored(record)
        return record, True
    if options.results is not None and processes.first:
        writable_folders([options.results / name for name in (store.RECORDS, store.PREDICTIONS, store.CACHE)])
    with run_lock(cache, identity, options):
        # Another process may have made it meanwhile.
        record = stored_record(config, inputs.data, identity, asked, processes)
        if record is not None:
            announced.stored(record)
            return record, True
        parts = Parts(config, inputs, members, posthoc, identity, metrics)
        with announced.running(inputs.data.sizes()) as ended:
            record = _run(parts, options, processes, report, start)
            ended(record)
        return record, False


class Parts(NamedTuple):
    """A run that is built and checked, and not trained."""

    config: RunConfig
    inputs: Inputs
    members: Members
    posthoc: PostHoc
    identity: Identity
    metrics: Metrics


def _run(parts: Parts, options: RunOptions, processes: Processes, report: Report, start: float) -> ResultRecord:
    """Train, fit, judge and store; returns the record."""
    config, inputs, members, posthoc, identity, metrics = parts

    outputs = {
        name: checked(split, f"{config.recipe}, {name} split") for name, split in members.run(("cal", "test")).items()
    }
    if not processes.first:  # the first process fits, judges and writes for all
        return _same(processes, None)
    labels = {name: torch.from_numpy(getattr(inputs.data, name).y).flatten() for name in outputs}
    with members.timed("posthoc"), seeded(members.seeds["posthoc"]):
        fitted = members.fitted + posthoc.fit(outputs["cal"], labels["cal"])
        cal, _ = posthoc.judged(outputs["cal"], decide=False)
        test, decisions = posthoc.judged(outputs["test"])
        fitted = posthoc.with_adapted(fitted)
    with members.timed("judge"):
        report("judge", 0, 1, "bootstrap and noise floor")
        soft, names = inputs.data.test_soft, inputs.data.class_names
        judged = Judged(test, labels["test"], decisions, soft, class_names=names)
        judgement = judge(judged, metrics, options.sampling)
        advice = _advice(judgement, posthoc, (outputs["cal"], labels["cal"]), options.sampling.seed)
        report("judge", 1, 1, "")
    units = units_of(metrics, judgement.metrics)
    metrics_computed(judgement.metrics, judgement.intervals, judgement.noise_floor, units)
    added = judge_shift_and_ood(config, inputs, members, posthoc, test, Judging(metrics, options.sampling), report)
    metrics_computed(added.metrics, added.intervals, added.noise_floor, added.units)
    result = RunResult(
        config, inputs, identity, {"cal": cal, "test": test}, decisions, judgement, advice, added, fitted
    )
    record = result.record(members, metrics, processes, clock() - start)
    if options.results is not None:
        record = store.write_run(options.results, record, result.arrays())
    return _same(processes, record)


def posthoc_of(config: RunConfig, data: Data) -> PostHoc:
    """The calibrators and the rule of a run, not fitted yet."""
    stages = config.of_kind("calibrator") + config.of_kind("decision")
    return PostHoc(stages, data.num_classes, data.labels_per_sample, round_to_float32, data.class_names)


def _advice(judgement: Judgement, posthoc: PostHoc, cal: Samples, seed: int) -> Advice | None:
    """The map that helps on the cal split, if the test split shows a sign and the recipe has no map of its own."""
    if judgement.verdict.calibrated == "no_sign" or posthoc.calibrators:
        return None
    return advise(cal, seed)


def _same(processes: Processes, record: ResultRecord | None) -> ResultRecord:
    """The first process's record, on every process."""
    shared = processes.same(record)
    assert shared is not None
    return shared
