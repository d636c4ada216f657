"""From a request in words to a frozen, checked `RunConfig`: names are looked up, values are read, defaults fill the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from calibench.config.grammar import LONGEST_TEXT, Bound, Piece, bind, parse_piece, parse_recipe
from calibench.config.recipe import ordered_stages, refuse_disorder, specs_of
from calibench.config.request import RunRequest
from calibench.config.run_config import TRAIN, RunConfig, Setting
from calibench.config.shift_and_ood import resolve_shift_and_ood
from calibench.errors import InputError, did_you_mean
from calibench.plugins.discovery import registry
from calibench.plugins.specs import MethodSpec, Spec

Part = tuple[Any, Piece]
"""A spec, and the text that the user wrote for it."""


class Parts(NamedTuple):
    """The parts of a run: its stages, dataset, model and noise."""

    stages: list[tuple[MethodSpec, Piece]]
    dataset: Part
    model: Part
    noise: Part | None

    def all(self) -> list[Part]:
        """Every part, the stages first."""
        return [*self.stages, self.dataset, self.model, *([] if self.noise is None else [self.noise])]

    def names(self) -> list[str]:
        """The name of every part."""
        return [spec.name for spec, _ in self.all()]


def resolve(
    method: str,
    dataset: str | Spec | None = None,
    model: str | Spec | None = None,
    noise: str | None = None,
    seed: int = 0,
    **options: Any,
) -> RunConfig:
    """The RunConfig of one recipe and seed; `options` are the other fields of `RunRequest`."""
    request = RunRequest(dataset=dataset, model=model, noise=noise, **options)
    return resolve_run(request, method, seed)


def resolve_run(request: RunRequest, recipe: str, seed: int, defaults: Sequence[Setting] = ()) -> RunConfig:
    """The RunConfig of `recipe` and `seed`; InputError names the word that cannot be resolved, and the nearest known one.

    `defaults` are a preset's settings. Explicit settings win. Settings of parts that are not in this run are dropped; those of
    the part `train` go to the objective, unless the model comes trained.
    """
    _refuse_seed(seed)
    parts = _parts_of(request, recipe)
    _refuse_training(parts, recipe)
    settings = _request_settings(request, parts)
    _refuse_ambiguous(settings, parts.names())
    explicit = {f"{piece.name}.{key}" for _, piece in parts.all() for key, _ in piece.values}
    explicit |= {f"{name}.{key}" for name, key, _ in settings}
    training = _training_defaults(defaults, parts, explicit)
    of_parts = [(part, k, v) for part, k, v in defaults if part in parts.names() and f"{part}.{k}" not in explicit]
    settings += [*training, *of_parts]
    dataset = _bound(parts.dataset, settings)
    config = RunConfig(
        stages=tuple(_bound(part, settings) for part in parts.stages),
        dataset=dataset,
        model=_bound(parts.model, settings),
        noise=None if parts.noise is None else _bound(parts.noise, settings),
        seed=seed,
        device=request.device,
        explicit=frozenset(explicit | {f"{part}.{key}" for part, key, _ in of_parts}),
        shift_and_ood=resolve_shift_and_ood(registry(), dataset, request.shift, request.ood, request.ood_score),
    )
    _refuse_long(config)
    return config


def _refuse_long(config: RunConfig) -> None:
    """InputError for a part whose text no record may hold."""
    texts = {"recipe": config.recipe, "dataset": config.dataset.text(), "model": config.model.text()}
    texts |= {} if config.noise is None else {"noise": config.noise.text()}
    for what, text in texts.items():
        if len(text) > LONGEST_TEXT:
            message = f"the {what} has {len(text)} characters as text, and a record holds at most {LONGEST_TEXT}"
            raise InputError(message, f"shorten its parameters; it begins {text[:60]!r}")


def with_seed(config: RunConfig, seed: int) -> RunConfig:
    """The same run with another seed, which shares all parts; InputError for a seed that is none."""
    _refuse_seed(seed)
    return dataclasses.replace(config, seed=seed)


def _refuse_seed(seed: object) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"seed {seed!r} is not a whole number from 0 up", "as in --seed 0")


def resolve_chain(recipe: str, kinds: Sequence[str], where: str) -> tuple[Bound, ...]:
    """The stages of a recipe that may hold `kinds` alone, as `calibench evaluate --fit` takes it."""
    pieces = parse_recipe(recipe)
    specs = specs_of(pieces)
    for spec in specs:
        if spec.kind not in kinds:
            article = "an" if spec.kind == "objective" else "a"
            hint = f"only {' and '.join(kinds)} stages work on stored outputs; calibench list methods shows the kinds"
            raise InputError(f"{where}: {spec.name!r} is {article} {spec.kind}", hint)
    refuse_disorder(specs)
    return tuple(bind(spec, piece.values) for spec, piece in zip(specs, pieces, strict=True))


def settings_for(recipe: str, settings: Sequence[str], recipes: Iterable[str]) -> tuple[str, ...]:
    """The `--set` options that apply to `recipe`: those that name a stage of other `recipes` only are dropped."""
    names = {text: {spec.name for spec, _ in ordered_stages(text)} for text in {recipe, *recipes}}
    foreign = set().union(*names.values()) - names[recipe]
    return tuple(text for text in settings if _setting(text)[0] not in foreign)


def _parts_of(request: RunRequest, recipe: str) -> Parts:
    return Parts(
        stages=ordered_stages(recipe),
        dataset=_part("dataset", request.dataset),
        model=_part("model", request.model),
        noise=None if request.noise is None else _part("noise", request.noise),
    )


def _refuse_training(parts: Parts, recipe: str) -> None:
    """InputError for a recipe that would train on stored outputs, where there is no network to train."""
    dataset = parts.dataset[0]
    if not dataset.stored_outputs:
        return
    objective = registry().default("method").spec.name
    for place, (spec, _) in enumerate(parts.stages):
        if spec.kind not in ("calibrator", "decision") and (place or spec.name != objective):
            message = f"{recipe}: {spec.name!r} trains, and dataset {dataset.name!r} holds outputs alone"
            raise InputError(message, f"calibrators and decisions can follow, as in {objective}+temperature")
    if not parts.model[0].comes_trained:
        message = f"dataset {dataset.name!r} holds outputs alone: there is nothing to train {parts.model[0].name!r} on"
        raise InputError(message, "add --model frozen")


def _part(family: str, text: str | Spec | None) -> Part:
    if isinstance(text, Spec):
        return text, Piece(text.name)
    if text is None:
        spec = registry().default(family).spec
        return spec, Piece(spec.name)
    piece = parse_piece(text)
    return registry().get(family, piece.name).spec, piece


def _request_settings(request: RunRequest, parts: Parts) -> list[Setting]:
    """The `settings` of the request, with `epochs`, `compile` and `select` as settings of the stages that they mean."""
    settings = [_setting(text) for text in request.settings]
    objective = parts.stages[0][0].name
    if request.epochs is not None:
        settings.append((objective, "epochs", str(request.epochs)))
    if request.compile:
        settings.append((objective, "compile", "true"))
    if request.select is not None:
        training = [spec.name for spec, _ in parts.stages if any(p.key == "select" for p in spec.all_params())]
        settings += [(name, "select", request.select) for name in training]
    return settings


def _setting(text: str) -> Setting:
    left, equals, value = text.partition("=")
    name, dot, key = left.strip().partition(".")
    if not (equals and dot and name and key):
        raise InputError(f"--set {text}: this is not stage.key=value", "as in --set vtst.latent_dim=64")
    return name, key, value.strip()


def _refuse_ambiguous(settings: Sequence[Setting], names: Sequence[str]) -> None:
    """InputError for a setting of a part that this run does not have, or has under a name that two parts share."""
    for name, key, value in settings:
        if name not in names:
            raise InputError(f"--set {name}.{key}={value}: {name!r} is not part of this run", did_you_mean(name, names))
        if names.count(name) > 1:
            message = f"--set {name}.{key}={value}: two parts of this run are called {name!r}"
            raise InputError(message, f"write it where the part is named, as in {name}:{key}={value}")


def _training_defaults(defaults: Sequence[Setting], parts: Parts, explicit: set[str]) -> list[Setting]:
    """A preset's settings of stage 1 as settings of the objective; none where the model comes trained."""
    objective, model = parts.stages[0][0].name, parts.model[0]
    if model.comes_trained or f"{model.name}.checkpoint" in explicit:
        return []
    return [(objective, k, v) for part, k, v in defaults if part == TRAIN and f"{objective}.{k}" not in explicit]


def _bound(part: Part, settings: Sequence[Setting]) -> Bound:
    spec, piece = part
    values = [*piece.values, *((key, value) for name, key, value in settings if name == spec.name)]
    keys = [key for key, _ in values]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice:
        raise InputError(f"{spec.name}: {twice!r} is given twice", "keep one of the two")
    return bind(spec, values)
