"""The text of a part from its JSON document, as the user may type it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calibench.config.grammar import Bound
from calibench.errors import CalibenchError
from calibench.plugins.discovery import registry


def part_text(family: str, part: Mapping[str, Any] | str) -> str:
    """The name with the parameters that are not at their default; the name alone if its plugin is not here.

    A score without parameters is a name.
    """
    bound = bound_part(family, part)
    return bound.text() if bound is not None else str(part if isinstance(part, str) else part.get("name"))


def bound_part(family: str, part: Mapping[str, Any] | str) -> Bound | None:
    """The part with its values; None if its plugin is not here, or it has no parameters."""
    if isinstance(part, str):
        return None
    try:
        spec = registry().get(family, str(part["name"])).spec
        stored = part.get("params") or {}
        values = {param.key: stored.get(param.key, param.default) for param in spec.all_params()}
        return Bound(spec, {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})
    except CalibenchError:
        return None
