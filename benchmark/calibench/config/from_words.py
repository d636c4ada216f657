"""From what the user typed to a frozen, checked, fingerprinted RunConfig."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from calibench.config.grammar import Bound, Piece, bind, parse_piece, parse_recipe
from calibench.config.run_config import TRAIN, RunConfig, Setting
from calibench.config.shift_and_ood import resolve_shift_and_ood
from calibench.errors import InputError, did_you_mean
from calibench.plugins.discovery import registry
from calibench.plugins.registry import Registry
from calibench.plugins.specs import STAGE_ORDER, MethodSpec, Spec

ORDER_HINT = (
    "the order is objective -> head refit -> sampler -> ensemble -> calibrators -> decision rule, at most one of each "
    "but calibrators, as in ce+vtst+ensemble+temperature+threshold"
)


def resolve(
    method: str,
    dataset: str | Spec | None = None,
    model: str | Spec | None = None,
    noise: str | None = None,
    seed: int = 0,
    epochs: int | None = None,
    select: str | None = None,
    settings: Sequence[str] = (),
    device: str = "cpu",
    compiled: bool = False,
    *,
    defaults: Sequence[Setting] = (),
    shift: Sequence[str] = (),
    ood: Sequence[str] = (),
    ood_score: Sequence[str] = (),
) -> RunConfig:
    """The RunConfig that these words mean; InputError says which word, and what it could have been.

    `epochs` is short for `--set OBJECTIVE.epochs=N`, `compiled` for `--set OBJECTIVE.compile=true`; `select` sets the
    checkpoint of every stage that trains. `defaults`, a preset's settings, give way to whatever is said otherwise, and are
    left out for parts that this run has not; those of the part `train` are for the objective, unless the model comes trained.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"seed {seed!r} is not a whole number from 0 up", "as in --seed 0")
    reg = registry()
    stages = _order([(_method(reg, p.name), p) for p in parse_recipe(method)], reg)
    extra = [_read_setting(text) for text in settings]
    if epochs is not None:
        extra.append((stages[0][0].name, "epochs", str(epochs)))
    if compiled:
        extra.append((stages[0][0].name, "compile", "true"))
    if select is not None:
        training = [spec.name for spec, _ in stages if any(p.key == "select" for p in spec.all_params())]
        extra += [(name, "select", select) for name in training]
    rest = {
        "dataset": _piece(reg, "dataset", dataset),
        "model": _piece(reg, "model", model),
        "noise": None if noise is None else _piece(reg, "noise", noise),
    }
    pairs = [*stages, *(pair for pair in rest.values() if pair is not None)]
    names = [spec.name for spec, _ in pairs]
    for name, key, value in extra:
        if name not in names:
            raise InputError(f"--set {name}.{key}={value}: {name!r} is not part of this run", did_you_mean(name, names))
        if names.count(name) > 1:
            message = f"--set {name}.{key}={value}: two parts of this run are called {name!r}"
            raise InputError(message, f"write it where the part is named, as in {name}:{key}={value}")
    stated = {f"{piece.name}.{key}" for _, piece in pairs for key, _ in piece.values}
    stated |= {f"{name}.{key}" for name, key, _ in extra}
    objective, (model_spec, _) = stages[0][0], rest["model"]  # type: ignore[misc]
    if not model_spec.comes_trained and f"{model_spec.name}.checkpoint" not in stated:
        extra += [
            (objective.name, k, v) for part, k, v in defaults if part == TRAIN and f"{objective.name}.{k}" not in stated
        ]
    own = [(part, k, v) for part, k, v in defaults if part in names and f"{part}.{k}" not in stated]
    extra += own
    stated |= {f"{part}.{key}" for part, key, _ in own}

    def bound(pair: tuple[Any, Piece]) -> Bound:
        spec, piece = pair
        added = [(key, value) for name, key, value in extra if name == spec.name]
        typed = [key for key, _ in (*piece.values, *added)]
        twice = next((key for key in typed if typed.count(key) > 1), None)
        if twice:
            raise InputError(f"{spec.name}: {twice!r} is given twice", "keep one of the two")
        return bind(spec, [*piece.values, *added])

    data = bound(rest["dataset"])  # type: ignore[arg-type]  # only noise may be None
    return RunConfig(
        stages=tuple(bound(pair) for pair in stages),
        dataset=data,
        model=bound(rest["model"]),  # type: ignore[arg-type]
        noise=None if rest["noise"] is None else bound(rest["noise"]),
        seed=seed,
        device=device,
        stated=frozenset(stated),
        shift_and_ood=resolve_shift_and_ood(reg, data, shift, ood, ood_score),
    )


def resolve_chain(recipe: str, kinds: Sequence[str], where: str) -> tuple[Bound, ...]:
    """The stages of a recipe that may hold `kinds` alone, as `calibench evaluate --fit` takes it."""
    reg = registry()
    pairs = [(_method(reg, p.name), p) for p in parse_recipe(recipe)]
    for spec, _ in pairs:
        if spec.kind not in kinds:
            hint = f"only {' and '.join(kinds)} stages work on stored outputs"
            raise InputError(
                f"{where}: {spec.name!r} is {'an' if spec.kind == 'objective' else 'a'} {spec.kind}",
                f"{hint}; calibench list methods shows the kinds",
            )
    _refuse_disorder([spec for spec, _ in pairs])
    return tuple(bind(spec, piece.values) for spec, piece in pairs)


def settings_for(method: str, settings: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    """Those `--set` of a run of several recipes that concern `method`: what names a stage of another recipe alone is left out."""
    foreign = {name for recipe in others for name in _stage_names(recipe)} - _stage_names(method)
    return tuple(text for text in settings if _read_setting(text)[0] not in foreign)


def stage_specs(recipe: str) -> tuple[MethodSpec, ...]:
    """The stages of a recipe, the default objective too where it goes unsaid; InputError for a name or an order that is wrong."""
    reg = registry()
    return tuple(spec for spec, _ in _order([(_method(reg, p.name), p) for p in parse_recipe(recipe)], reg))


def _stage_names(recipe: str) -> set[str]:
    return {spec.name for spec in stage_specs(recipe)}


def _order(pairs: list[tuple[MethodSpec, Piece]], reg: Registry) -> list[tuple[MethodSpec, Piece]]:
    _refuse_disorder([spec for spec, _ in pairs])
    if pairs[0][0].kind == "objective":
        return pairs
    default = next((e.spec for e in reg.all("method") if e.spec.default), None)
    if not isinstance(default, MethodSpec) or default.kind != "objective":
        raise InputError("the recipe names no objective and no plugin offers a default one", ORDER_HINT)
    return [(default, Piece(default.name)), *pairs]


def _refuse_disorder(specs: Sequence[MethodSpec]) -> None:
    recipe = "+".join(spec.name for spec in specs)
    for before, after in pairwise(specs):
        gap = STAGE_ORDER.index(after.kind) - STAGE_ORDER.index(before.kind)
        if gap < 0 or (gap == 0 and after.kind != "calibrator"):
            message = f"{recipe}: {after.name!r} ({after.kind}) cannot follow {before.name!r} ({before.kind})"
            raise InputError(message, ORDER_HINT)
    names = [spec.name for spec in specs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"{recipe}: {twice!r} stands twice", "one of the two would do nothing new")


def _method(reg: Registry, name: str) -> MethodSpec:
    spec = reg.get("method", name).spec
    assert isinstance(spec, MethodSpec)
    return spec


def _piece(reg: Registry, family: str, text: str | Spec | None) -> tuple[Any, Piece]:
    if isinstance(text, Spec):
        return text, Piece(text.name)
    if text is None:
        spec = reg.default(family).spec
        return spec, Piece(spec.name)
    piece = parse_piece(text)
    return reg.get(family, piece.name).spec, piece


def _read_setting(text: str) -> tuple[str, str, str]:
    left, equals, value = text.partition("=")
    name, dot, key = left.strip().partition(".")
    if not (equals and dot and name and key):
        raise InputError(f"--set {text}: this is not stage.key=value", "as in --set vtst.latent_dim=64")
    return name, key, value.strip()
