"""How to make a run again: the command, and the same as a preset with every parameter."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from calibench.config.part_text import part_text
from calibench.records.record import ResultRecord


def whole_recipe(record: ResultRecord) -> str:
    """The recipe with every setting, also where a board names the run by the words of its suite."""
    return str(record.config.get("recipe") or record.recipe)


def run_command(records: Sequence[ResultRecord]) -> str:
    """The `calibench run` that makes these runs, which are seeds of one recipe on one data set."""
    first = records[0]
    words = ["calibench", "run", "-m", whole_recipe(first), "-d", first.dataset, "--model", first.model]
    words += ["--noise", first.noise] if first.noise else []
    for seeds in _ranges(sorted({record.seed for record in records})):
        words += ["-s", seeds]
    for option, texts in _shift_and_ood(first.config):
        for text in texts:
            words += [option, text]
    words += ["--metrics", ",".join(first.named_metrics)] if first.named_metrics else []
    level, resamples = first.bootstrap.get("level", 0.95), first.bootstrap.get("resamples", 1000)
    words += ["--level", f"{level:g}"] if level != 0.95 else []
    words += ["--resamples", str(resamples)] if resamples != 1000 else []
    words += ["--device", str(first.config["device"])] if "device" in first.config else []
    return shlex.join(words)


def sweep_command(record: ResultRecord) -> str:
    """The `calibench sweep` that makes the run as one of its suite; empty for a run of no suite."""
    preset = record.preset or {}
    return (
        shlex.join(["calibench", "sweep", str(preset.get("file") or preset["name"]), "--only", whole_recipe(record)])
        if preset.get("suite")
        else ""
    )


def preset_text(records: Sequence[ResultRecord]) -> str:
    """A preset (TOML) of these runs with every parameter of every stage, so that a changed default changes nothing."""
    first = records[0]
    lines = [
        f"method = {_toml(whole_recipe(first))}",
        f"dataset = {_toml(first.dataset)}",
        f"model = {_toml(first.model)}",
        *([f"noise = {_toml(first.noise)}"] if first.noise else []),
        f"seed = {_toml(sorted({record.seed for record in records}))}",
    ]
    for stage in _stages(first):
        params = {key: value for key, value in stage["params"].items() if value is not None}
        if params:
            lines += ["", f"[set.{_key(stage['name'])}]"]
            lines += [f"{_key(key)} = {_toml(value)}" for key, value in params.items()]
    return "\n".join(lines) + "\n"


def _stages(record: ResultRecord) -> list[Mapping[str, Any]]:
    stages = record.config.get("stages")
    listed = stages if isinstance(stages, list) else []
    return [stage for stage in listed if isinstance(stage, Mapping) and {"name", "params"} <= stage.keys()]


def kinds_of(record: ResultRecord) -> list[str]:
    """The kind of each stage of a run: objective, refit, calibrator and so on."""
    return list(dict.fromkeys(str(stage.get("kind", "")) for stage in _stages(record)))


def _ranges(seeds: Sequence[int]) -> list[str]:
    """`0-4` for neighbours, one by one else."""
    if len(seeds) > 1 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return [f"{seeds[0]}-{seeds[-1]}"]
    return [str(seed) for seed in seeds]


def _shift_and_ood(config: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """The options that name shifts, OOD sets and scores, with their texts."""
    ood = config.get("ood") or {}
    return [
        ("--shift", [part_text("shift", part) for part in config.get("shift") or ()]),
        ("--ood", [part_text("dataset", part) for part in ood.get("sets") or ()]),
        ("--ood-score", [part_text("ood-score", part) for part in ood.get("scores") or ()]),
    ]


def _toml(value: Any) -> str:
    """A value in TOML; texts and lists are written as in JSON, which TOML reads too."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def _key(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else _toml(name)
