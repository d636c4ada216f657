"""A preset and what is asked besides, as configurations of runs: what is given wins, and the record says what was changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from calibench.config.from_words import resolve, settings_for
from calibench.config.grammar import Bound, format_value, parse_recipe, read_value
from calibench.config.preset import Preset
from calibench.config.run_config import TRAIN, RunConfig
from calibench.errors import InputError
from calibench.plugins.specs import Spec

NONE = ("none",)
"""As `--shift` and `--ood`: none of those that a preset names."""


def configure(
    preset: Preset | None,
    *,
    methods: Sequence[str] = (),
    seeds: Sequence[int] = (),
    dataset: str | Spec | None = None,
    model: str | Spec | None = None,
    noise: str | None = None,
    settings: Sequence[str] = (),
    epochs: int | None = None,
    select: str | None = None,
    device: str = "cpu",
    compiled: bool = False,
    shift: Sequence[str] = (),
    ood: Sequence[str] = (),
    ood_score: Sequence[str] = (),
) -> list[RunConfig]:
    """A configuration for each seed and recipe: what is given wins over the preset, and the preset over defaults."""
    named = {"dataset": dataset, "model": model, "noise": noise}
    given = {"method": tuple(methods), "seed": tuple(map(str, seeds))}
    given |= {key: (str(getattr(part, "name", part)),) for key, part in named.items() if part is not None}
    beyond = {"shift": tuple(shift), "ood": tuple(ood), "ood_score": tuple(ood_score)}
    given |= beyond
    for key, texts in beyond.items():
        if texts == NONE and (preset is None or key not in preset.options):
            where = f"preset {preset.name} names no {key}" if preset is not None else "there is no preset"
            raise InputError(f"{key}=none would do nothing: {where}", "leave it out")
    short = {"epochs": epochs, "select": select, "compile": "true" if compiled else None}
    if preset is not None:
        said = {setting.partition("=")[0].strip() for setting in settings}
        said |= {f"*.{key}" for key, value in short.items() if value is not None}
        methods = methods or [_without(recipe, said) for recipe in preset.options["method"]]
        seeds = seeds or preset.seeds
        named = {key: _of(preset, key, said) if part is None else part for key, part in named.items()}
        held = {} if beyond["ood"] == NONE else {"ood_score": preset.options.get("ood_score", ())}
        held |= {key: preset.options.get(key, ()) for key in ("shift", "ood")}
        beyond = {key: () if texts == NONE else texts or held.get(key, ()) for key, texts in beyond.items()}
    recipes = tuple(dict.fromkeys(methods))
    configs = [
        resolve(
            recipe,
            **named,  # type: ignore[arg-type]  # noise is no Spec
            seed=seed,
            epochs=epochs,
            select=select,
            settings=settings_for(recipe, settings, recipes),
            device=device,
            compiled=compiled,
            defaults=() if preset is None else preset.settings,
            shift=beyond["shift"],
            ood=beyond["ood"],
            ood_score=beyond["ood_score"],
        )
        for seed in dict.fromkeys(seeds or (0,))
        for recipe in recipes
    ]
    if preset is None:
        return configs
    asked = [*settings, *(f"{TRAIN}.{key}={value}" for key, value in short.items() if value is not None)]
    changed = _changes(preset, given, configs, asked)
    mark = {"name": preset.name, "sha256": preset.sha256, "changed": changed}
    return [dataclasses.replace(config, preset=mark) for config in configs]


def _of(preset: Preset, key: str, said: Collection[str]) -> str | None:
    """A part that the preset names, without the parameters that were said otherwise."""
    text = preset.one(key)
    return None if text is None else _without(text, said)


def _without(recipe: str, said: Collection[str]) -> str:
    """The recipe without the parameters `name.key` that were said beside it; `*.key` is one of the objective, or of all."""
    texts = []
    for place, piece in enumerate(parse_recipe(recipe)):
        short = {"*.select"} | ({"*.epochs", "*.compile"} if place == 0 else set())
        values = [
            f"{key}={format_value(value)}"
            for key, value in piece.values
            if f"{piece.name}.{key}" not in said and f"*.{key}" not in short & set(said)
        ]
        texts.append(f"{piece.name}:{','.join(values)}" if values else piece.name)
    return "+".join(texts)


def _changes(
    preset: Preset, given: Mapping[str, tuple[str, ...]], configs: Sequence[RunConfig], asked: Sequence[str]
) -> list[str]:
    """What these runs do otherwise than the preset says, a phrase each, as in `seed: 0, 1 -> 0`."""
    before = {**preset.options, "seed": tuple(map(str, preset.seeds))}
    said = [
        f"{key}: {', '.join(before.get(key, ('default',)))} -> {', '.join(now)}"
        for key, now in given.items()
        if now and now != before.get(key)
    ]
    parts = _parts(configs)
    for part, key, text in preset.settings:
        held = parts.get(part, [])
        if not held:
            why = "the model comes trained" if part == TRAIN else f"{part} is no part of the run"
            said.append(f"{part}.{key}={text}: left out, {why}")
            continue
        params = {param.key: param for param in held[0].spec.all_params()}
        wanted = format_value(read_value(params[key], text, part))
        now = tuple(dict.fromkeys(format_value(bound.params[key]) for bound in held))
        if now != (wanted,):
            said.append(f"{part}.{key}: {wanted} -> {', '.join(now)}")
    known = {f"{part}.{key}" for part, key, _ in preset.settings}
    written = {
        f"{piece.name}.{key}": value
        for texts in preset.options.values()
        for recipe in texts
        for piece in parse_recipe(recipe)
        for key, value in piece.values
    }
    objectives = {config.objective.name for config in configs}
    written |= {
        f"{TRAIN}.{name.partition('.')[2]}": v for name, v in written.items() if name.partition(".")[0] in objectives
    }
    for setting in asked:
        name, _, value = setting.partition("=")
        part, _, key = name.strip().partition(".")
        if f"{part}.{key}" not in known and not (part in objectives and f"{TRAIN}.{key}" in known):
            said.append(f"{part}.{key}: {written.get(f'{part}.{key}', 'default')} -> {value.strip()}")
    return said


def _parts(configs: Sequence[RunConfig]) -> dict[str, list[Bound]]:
    """Every part of the runs by its name, and under `train` the objectives of those that train stage 1."""
    parts: dict[str, list[Bound]] = {}
    for config in configs:
        for part in (*config.stages, config.dataset, config.model, *([config.noise] if config.noise else [])):
            parts.setdefault(part.name, []).append(part)
        if not config.comes_trained:
            parts.setdefault(TRAIN, []).append(config.objective)
    return parts
