"""Small runs of recipes: the stages on toy data, without a record, and `seeded_run`, a whole run with a record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from calibench.cache.stage_cache import StageCache
from calibench.config.resolve import resolve
from calibench.config.run_config import RunConfig
from calibench.data.arrays import Arrays
from calibench.data.in_memory import as_dataset
from calibench.data.load import load_data
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs
from calibench.plugins.discovery import registry
from calibench.plugins.params import REQUIRED, Param
from calibench.plugins.specs import MethodSpec
from calibench.progress import quiet
from calibench.recipe.members import Members
from calibench.recipe.posthoc import PostHoc
from calibench.records.record import ResultRecord
from calibench.runs.options import RunOptions
from calibench.runs.run import run_config
from calibench.seeds import seeded
from calibench.testing.toy import toy_arrays
from calibench.testing.watch import DRAWN

SMALL = {
    "epochs": 2,
    "samples": 3,
    "members": 2,
    "cycles": 2,
    "folds": 2,
    "rank": 2,
    "views": 2,
    "batch_size": 32,
    "random_features": 16,
}
"""Values of whole-number parameters for which a run needs few steps."""

LEARNING_RATE = 0.01
"""Large enough that a few steps train something: logits without information have no temperature, which is refused."""

POSTHOC_SEED = 271828
"""The seed of calibrators and rules: one that no plugin would set itself, so that `watch.py` sees it if one does."""

MODEL = "hidden=16"
"""The parameters of the default model in small runs."""


class StagesRun(NamedTuple):
    """The cal and test outputs after calibration, the decisions on test, and the record's `fitted`."""

    cal: Outputs
    test: Outputs
    decisions: Decisions | None
    fitted: list[dict[str, Any]]


def run_stages(config: RunConfig, cache: StageCache | None = None, drawn: int = DRAWN) -> StagesRun:
    """Train, fit and apply the stages of a configuration, without judging; `drawn` numbers are drawn from torch before a fit."""
    data = load_data(config)
    members = Members(config, data, cache or StageCache(None), quiet)
    chain = PostHoc(config.of_kind("calibrator") + config.of_kind("decision"), data.num_classes)
    outputs = members.run(("cal", "test"))
    with seeded(POSTHOC_SEED):
        torch.rand(drawn)
        fitted = members.fitted + chain.fit(outputs["cal"], torch.from_numpy(data.cal.y))
        cal, test = (chain.apply(outputs[name]) for name in ("cal", "test"))
        decisions = chain.decide(test)
    return StagesRun(cal, test, decisions, fitted)


def same(a: Any, b: Any) -> bool:
    """True if two tensors, decisions, or fields of them, are equal to the last bit."""
    if isinstance(a, torch.Tensor):
        return bool(torch.equal(a, b))
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)
    return bool(a == b)


def same_run(a: StagesRun, b: StagesRun) -> bool:
    """True if two runs are equal to the last bit."""
    return all(same(*pair) for pair in zip(a, b, strict=True))


def small_value(spec: MethodSpec, param: Param) -> str | int | float | None:
    """The value of a method's parameter in small runs; None for its default, and for a required one."""
    if param.default is REQUIRED:
        return None
    if param.key == "lr" and spec.kind == "refit":
        return LEARNING_RATE
    small = SMALL.get(param.key) if param.type == "int" else None
    low, high = param.minimum, param.maximum
    if small is None or (low is not None and small < low) or (high is not None and small > high):
        return None
    return None if small == param.default else small


def small_config(
    spec: MethodSpec,
    arrays: Arrays | None = None,
    settings: Sequence[str] = (),
    seed: int = 0,
    **options: Any,
) -> RunConfig:
    """The configuration of a small run of one method on toy data; an objective stands alone, other kinds follow the default one."""
    objective = spec.name if spec.kind == "objective" else registry().default("method").spec.name
    explicit = {text.partition("=")[0].strip() for text in settings}
    small: dict[str, Any] = {f"{objective}.lr": LEARNING_RATE, f"{objective}.epochs": 4}
    small |= {f"{spec.name}.{param.key}": small_value(spec, param) for param in spec.params}
    texts = [f"{key}={value}" for key, value in small.items() if value is not None and key not in explicit]
    return resolve(
        spec.name if spec.kind == "objective" else f"{objective}+{spec.name}",
        as_dataset(arrays or toy_arrays()),
        f"{registry().default('model').spec.name}:{MODEL}",
        seed=seed,
        settings=[*texts, *settings],
        **options,
    )


def seeded_run(
    method: str | None = None,
    dataset: Any = None,
    model: str | None = None,
    *,
    noise: str | None = None,
    seed: int = 0,
    settings: Sequence[str] = (),
    results: Path | None = None,
    **options: Any,
) -> ResultRecord:
    """The record of a whole run on toy data: two epochs unless `epochs` says more.

    `method` is a recipe, by default the default objective; `dataset` a name, or data as `calibench.run` takes them. Further
    keywords, such as `shift` and `ood`, are those of `calibench.run`. Without `results` nothing is written.
    """
    request: dict[str, Any] = {"epochs": 2, **_tuples(options)}
    recipe = method or registry().default("method").spec.name
    data = as_dataset(toy_arrays() if dataset is None else dataset)
    config = resolve(recipe, data, model, noise, seed=seed, settings=tuple(settings), **request)
    record, _ = run_config(config, RunOptions(results=results))
    return record


def _tuples(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, with one text in place of several as a tuple of one."""
    several = {"shift", "ood", "ood_score"}
    return {key: (value,) if key in several and isinstance(value, str) else value for key, value in options.items()}


def with_stage(config: RunConfig, name: str, spec: MethodSpec) -> RunConfig:
    """The configuration with another spec for the stage of that name."""
    stages = tuple(dataclasses.replace(stage, spec=spec) if stage.name == name else stage for stage in config.stages)
    return dataclasses.replace(config, stages=stages)
