"""Names that a shell completes: methods in a recipe, data sets, metrics and others, found without importing torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from calibench.plugins.registry import Entry

Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


def names_of(family: str, joined: str = "") -> Complete:
    """A callback of click that completes the names of a family of plugins; `joined` may join several, as `+` those of recipes."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        place = incomplete.rfind(joined) + len(joined) if joined and joined in incomplete else 0
        before, word = incomplete[:place], incomplete[place:]
        return [
            CompletionItem(before + name, help=summary) for name, summary in _names(family) if name.startswith(word)
        ]

    return complete


def _names(family: str) -> list[tuple[str, str]]:
    return [(entry.spec.name, entry.spec.summary) for entry in _entries(family)]


def _entries(family: str) -> list[Entry]:
    from calibench.errors import CalibenchError
    from calibench.plugins.discovery import registry

    try:
        return registry(family).all(family)
    except CalibenchError:  # a faulty plugin is named when a command runs
        return []


def recipes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes the last stage of a recipe, with the methods that may follow those before it."""
    from calibench.plugins.specs import STAGE_ORDER

    order: list[str] = list(STAGE_ORDER)
    kinds = {entry.spec.name: getattr(entry.spec, "kind", "") for entry in _entries("method")}
    *before, _ = incomplete.split("+")
    known = [kinds[name] for piece in before if (name := piece.partition(":")[0]) in kinds]
    last = max((order.index(kind) for kind in known), default=-1)
    behind = [kind for place, kind in enumerate(order) if place > last or kind == "calibrator" == order[last]]
    if ctx.info_name in {"fit", "evaluate"}:
        behind = [kind for kind in behind if kind in _FITTED_ON_OUTPUTS]
    items = names_of("method", "+")(ctx, param, incomplete)
    return [item for item in items if kinds.get(item.value.rpartition("+")[2]) in behind]


_FITTED_ON_OUTPUTS = ("calibrator", "decision")
"""Kinds of stages that stored outputs can have."""

metrics = names_of("metric", ",")
"""Completes the last name of a list."""
