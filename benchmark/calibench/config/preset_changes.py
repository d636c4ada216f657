"""The differences between runs and the preset that they come from, for people and for the record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from calibench.config.grammar import Bound, parse_recipe
from calibench.config.preset import Preset
from calibench.config.request import RunRequest
from calibench.config.run_config import TRAIN, RunConfig
from calibench.config.values import format_value, read_value

PARTS = ("dataset", "model", "noise")


def changes(preset: Preset, request: RunRequest, configs: Sequence[RunConfig]) -> list[str]:
    """A phrase for each change, as in `seed: 0, 1 -> 0` or `vtst.latent_dim: 64 -> 32`."""
    return [*_names(preset, request), *_settings(preset, configs), *_further_settings(preset, request, configs)]


def _names(preset: Preset, request: RunRequest) -> Iterator[str]:
    """Recipes, seeds, parts, shifts and OOD sets in which the request differs from the preset."""
    before = {**preset.options, "seed": tuple(map(str, preset.seeds))}
    now = {"method": tuple(request.methods), "seed": tuple(map(str, request.seeds))}
    parts = {key: getattr(request, key) for key in PARTS}
    now |= {key: (str(getattr(part, "name", part)),) for key, part in parts.items() if part is not None}
    now |= {"shift": tuple(request.shift), "ood": tuple(request.ood), "ood_score": tuple(request.ood_score)}
    for key, texts in now.items():
        if texts and texts != before.get(key):
            yield f"{key}: {', '.join(before.get(key, ('default',)))} -> {', '.join(texts)}"


def _settings(preset: Preset, configs: Sequence[RunConfig]) -> Iterator[str]:
    """The preset's settings that the runs do not have, or have with another value."""
    parts = _parts(configs)
    for part, key, text in preset.settings:
        bounds = parts.get(part, [])
        if not bounds:
            why = "the model comes trained" if part == TRAIN else f"{part} is no part of the run"
            yield f"{part}.{key}={text}: left out, {why}"
            continue
        params = {param.key: param for param in bounds[0].spec.all_params()}
        before = format_value(read_value(params[key], text, part))
        now = tuple(dict.fromkeys(format_value(bound.params[key]) for bound in bounds))
        if now != (before,):
            yield f"{part}.{key}: {before} -> {', '.join(now)}"


def _parts(configs: Sequence[RunConfig]) -> dict[str, list[Bound]]:
    """Every part of the runs by its name, and under `train` the objectives of those that train stage 1."""
    parts: dict[str, list[Bound]] = {}
    for config in configs:
        for part in (*config.stages, config.dataset, config.model, *([config.noise] if config.noise else [])):
            parts.setdefault(part.name, []).append(part)
        if not config.comes_trained:
            parts.setdefault(TRAIN, []).append(config.objective)
    return parts


def _further_settings(preset: Preset, request: RunRequest, configs: Sequence[RunConfig]) -> Iterator[str]:
    """Settings of the request that the preset does not have, with the value in its recipes, if any."""
    objectives = {config.objective.name for config in configs}
    in_preset = {f"{part}.{key}" for part, key, _ in preset.settings}
    before = _preset_values(preset, objectives)
    for setting in _request_settings(request):
        name, _, value = setting.partition("=")
        part, _, key = name.strip().partition(".")
        of_training = part in objectives and f"{TRAIN}.{key}" in in_preset
        if f"{part}.{key}" not in in_preset and not of_training:
            yield f"{part}.{key}: {before.get(f'{part}.{key}', 'default')} -> {value.strip()}"


def _preset_values(preset: Preset, objectives: set[str]) -> dict[str, str]:
    """The text of every parameter in the preset's recipes and parts, by `name.key`; an objective's also by `train.key`."""
    pieces = [piece for texts in preset.options.values() for text in texts for piece in parse_recipe(text)]
    values = {f"{piece.name}.{key}": value for piece in pieces for key, value in piece.values}
    training = {f"{TRAIN}.{key}": v for piece in pieces if piece.name in objectives for key, v in piece.values}
    return values | training


def _request_settings(request: RunRequest) -> list[str]:
    """The settings of the request, with `epochs`, `select` and `compile` as settings of `train`."""
    short = {"epochs": request.epochs, "select": request.select, "compile": "true" if request.compile else None}
    return [*request.settings, *(f"{TRAIN}.{key}={value}" for key, value in short.items() if value is not None)]
