"""From a request, with a preset or without, to the configurations of its runs. The request wins over the preset."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Sequence
from typing import Any

from calibench.config.grammar import parse_piece, parse_recipe
from calibench.config.preset import Preset
from calibench.config.preset_changes import changes
from calibench.config.request import RunRequest
from calibench.config.resolve import resolve_run, settings_for
from calibench.config.run_config import RunConfig
from calibench.config.values import format_value
from calibench.errors import InputError
from calibench.plugins.specs import Spec

NONE = ("none",)
"""The value of `--shift`, `--ood` and `--ood-score` that leaves out the preset's choice."""

SHIFT_AND_OOD = ("shift", "ood", "ood_score")


def configure(request: RunRequest, preset: Preset | None = None) -> list[RunConfig]:
    """A configuration for each seed and recipe: the request wins over the preset, and the preset over defaults.

    Raises InputError for words that cannot be resolved, and for options that would do nothing.
    """
    _refuse_idle_none(request, preset)
    merged = request if preset is None else _merged(request, preset)
    recipes = tuple(dict.fromkeys(merged.methods))
    defaults = () if preset is None else preset.settings
    requests = {
        recipe: dataclasses.replace(merged, settings=settings_for(recipe, merged.settings, recipes))
        for recipe in recipes
    }
    configs = [
        resolve_run(requests[recipe], recipe, seed, defaults)
        for seed in dict.fromkeys(merged.seeds or (0,))
        for recipe in recipes
    ]
    if preset is None:
        return configs
    mark = {"name": preset.name, "sha256": preset.sha256, "changed": changes(preset, request, configs)}
    return [dataclasses.replace(config, preset=mark) for config in configs]


def configure_grid(
    request: RunRequest,
    datasets: Sequence[str | Spec],
    models: Sequence[str | Spec],
    noises: Sequence[str],
    preset: Preset | None = None,
) -> list[RunConfig]:
    """`configure` for each combination of data, networks and noises (`none`: clean labels); an empty list leaves the choice open.

    A setting of a part goes to the runs that have the part. Raises InputError as `configure` does.
    """
    grid = list(itertools.product(dict.fromkeys(datasets) or [None], dict.fromkeys(models) or [None], _noises(noises)))
    named = [{_name(part) for part in parts if part is not None} for parts in grid]
    everywhere = set().union(*named)
    configs = []
    for (dataset, model, noise), own in zip(grid, named, strict=True):
        elsewhere = everywhere - own
        settings = tuple(text for text in request.settings if text.partition(".")[0].strip() not in elsewhere)
        one = dataclasses.replace(request, dataset=dataset, model=model, noise=noise, settings=settings)
        configs += configure(one, preset)
    return configs


def _noises(noises: Sequence[str]) -> list[str | None]:
    """The noises, None for clean labels; InputError if `none` alone is asked for, which is the default."""
    if tuple(noises) == NONE:
        raise InputError("noise none would do nothing", "leave it out; beside another noise it means clean labels")
    return [None if noise == NONE[0] else noise for noise in dict.fromkeys(noises)] or [None]


def _name(part: str | Spec) -> str:
    return parse_piece(part).name if isinstance(part, str) else part.name


def _refuse_idle_none(request: RunRequest, preset: Preset | None) -> None:
    for key in SHIFT_AND_OOD:
        if tuple(getattr(request, key)) == NONE and (preset is None or key not in preset.options):
            where = f"preset {preset.name} names no {key}" if preset is not None else "there is no preset"
            raise InputError(f"{key}=none would do nothing: {where}", "leave it out")


def _merged(request: RunRequest, preset: Preset) -> RunRequest:
    """The request with the preset's recipes, seeds and parts where it states none itself."""
    overridden = _overridden(request)
    merged: dict[str, Any] = {
        key: _preset_part(preset, key, overridden)
        for key in ("dataset", "model", "noise")
        if getattr(request, key) is None
    }
    merged["methods"] = request.methods or tuple(_without(recipe, overridden) for recipe in preset.options["method"])
    merged["seeds"] = request.seeds or preset.seeds
    return dataclasses.replace(request, **merged, **_merged_shift_and_ood(request, preset))


def _overridden(request: RunRequest) -> set[str]:
    """`part.key` of every setting in the request; `*.key` for an option that is short for several settings."""
    short = {"epochs": request.epochs, "select": request.select, "compile": request.compile or None}
    settings = {setting.partition("=")[0].strip() for setting in request.settings}
    return settings | {f"*.{key}" for key, value in short.items() if value is not None}


def _merged_shift_and_ood(request: RunRequest, preset: Preset) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for key in SHIFT_AND_OOD:
        texts = tuple(getattr(request, key))
        needs_ood = key == "ood_score" and tuple(request.ood) == NONE  # scores of no set
        from_preset = () if needs_ood else preset.options.get(key, ())
        merged[key] = () if texts == NONE else texts or from_preset
    return merged


def _preset_part(preset: Preset, key: str, overridden: Collection[str]) -> str | None:
    """A part that the preset names, without the parameters that are overridden."""
    text = preset.one(key)
    return None if text is None else _without(text, overridden)


def _without(recipe: str, overridden: Collection[str]) -> str:
    """The recipe without every parameter `name.key` that is overridden.

    `*.epochs` and `*.compile` mean the first stage's, `*.select` every stage's.
    """
    texts = []
    for place, piece in enumerate(parse_recipe(recipe)):
        short = {"*.select"} | ({"*.epochs", "*.compile"} if place == 0 else set())
        values = [
            f"{key}={format_value(value)}"
            for key, value in piece.values
            if f"{piece.name}.{key}" not in overridden and f"*.{key}" not in short & set(overridden)
        ]
        texts.append(f"{piece.name}:{','.join(values)}" if values else piece.name)
    return "+".join(texts)
