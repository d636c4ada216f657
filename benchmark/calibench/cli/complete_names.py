"""Names that a shell completes: methods in a recipe, data sets, metrics and others, found without importing torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

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


def _names(family: str) -> Iterator[tuple[str, str]]:
    from calibench.errors import CalibenchError
    from calibench.plugins.discovery import registry

    try:
        entries = registry(family).all(family)
    except CalibenchError:  # a faulty plugin is named when a command runs
        return
    yield from ((entry.spec.name, entry.spec.summary) for entry in entries)


recipes = names_of("method", "+")
"""Completes the last stage of a recipe."""

metrics = names_of("metric", ",")
"""Completes the last name of a list."""
