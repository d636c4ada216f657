"""The order of a recipe's stages: objective, head refit, sampler, ensemble, calibrators, decision rule."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from calibench.config.grammar import Piece, parse_recipe
from calibench.errors import InputError
from calibench.plugins.discovery import registry
from calibench.plugins.specs import STAGE_ORDER, MethodSpec

ORDER_HINT = (
    "the order is objective -> head refit -> sampler -> ensemble -> calibrators -> decision rule, at most one of each "
    "but calibrators, as in ce+vtst+ensemble+temperature+threshold"
)


def ordered_stages(recipe: str) -> list[tuple[MethodSpec, Piece]]:
    """The stages of a recipe; the default objective comes first where the recipe names none.

    Raises InputError for a name that is not known and for stages out of order.
    """
    pieces = parse_recipe(recipe)
    specs = specs_of(pieces)
    refuse_disorder(specs)
    stages = list(zip(specs, pieces, strict=True))
    if specs[0].kind == "objective":
        return stages
    default = next((entry.spec for entry in registry().all("method") if entry.spec.default), None)
    if not isinstance(default, MethodSpec) or default.kind != "objective":
        raise InputError("the recipe names no objective and no plugin offers a default one", ORDER_HINT)
    return [(default, Piece(default.name)), *stages]


def specs_of(pieces: Sequence[Piece]) -> list[MethodSpec]:
    """The methods that the pieces name; InputError for a name that is not known."""
    specs = [registry().get("method", piece.name).spec for piece in pieces]
    return [spec for spec in specs if isinstance(spec, MethodSpec)]


def refuse_disorder(specs: Sequence[MethodSpec]) -> None:
    """InputError for stages out of order, two stages of a kind that may stand once, and a stage that stands twice."""
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
