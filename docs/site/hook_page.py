"""The page of the hooks that a plugin may implement, from their docstrings: each holds a plugin that a test installs."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Container

from markdown_text import table
from source import MadePage

from calibench.plugins import hookspecs
from calibench.plugins.discovery import HOOKS
from calibench.plugins.specs import Spec

TOP = """\
# Plugin hooks

Every hook by which a plugin brings names. Such a hook takes no arguments and returns specs; [hooks
that tell of runs](hooks.md#lifecycle-hooks) take an event. Made from
the docstrings of `benchmark/calibench/plugins/hookspecs.py`; a test installs and uses each example.
[Plugins](../guides/plugins.md) is the guide, and [this page](plugins.md) has the rules.
"""


def hook_page() -> MadePage:
    """The fields of all specs, and a section for each hook: its text with the example, and the further fields."""
    every = f"## Fields of every spec\n\n{fields(Spec)}"
    return MadePage("reference/plugin-hooks.md", "\n\n".join([TOP.strip(), every, *map(section, HOOKS)]) + "\n")


def section(hook: str) -> str:
    """One hook."""
    function, spec = getattr(hookspecs, hook), HOOKS[hook]
    about = " ".join((inspect.getdoc(spec) or "").replace("docs/", "").split("\n\n")[0].split())
    own = fields(spec, {field.name for field in dataclasses.fields(Spec)})
    heading = f"## `{hook}() -> Iterable[{spec.__name__}]`"
    parts = [heading, inspect.getdoc(function) or "", f"`{spec.__name__}`: {about}", own]
    return "\n\n".join(part for part in parts if part)


def fields(spec: type[Spec], without: Container[str] = ()) -> str:
    """A table of the fields of a spec; empty if there are none."""
    rows = [(f"`{f.name}`", f"`{f.type}`", _default(f)) for f in dataclasses.fields(spec) if f.name not in without]
    return table(("field", "type", "default"), rows) if rows else ""


def _default(field: dataclasses.Field) -> str:  # type: ignore[type-arg]
    if field.default is not dataclasses.MISSING:
        return f"`{field.default!r}`"
    return "required" if field.default_factory is dataclasses.MISSING else "empty"
