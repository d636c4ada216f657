"""The page of the hooks that a plugin may implement, from their docstrings: each holds a plugin that a test installs."""

from __future__ import annotations

import dataclasses
import inspect

from markdown_text import table
from source import MadePage

from calibench.plugins import hookspecs
from calibench.plugins.discovery import HOOKS
from calibench.plugins.specs import Spec

TOP = """\
# Plugin hooks

Every hook by which a plugin brings names. Made from the docstrings of
`benchmark/calibench/plugins/hookspecs.py`; a test installs and uses each example.
[Plugins](../guides/plugins.md) is the guide, and [this page](plugins.md) has the rules.
"""


def hook_page() -> MadePage:
    """A section for each hook: its return type, its text with the example, and the fields of its spec."""
    return MadePage("reference/plugin-hooks.md", "\n\n".join([TOP.strip(), *map(section, HOOKS)]) + "\n")


def section(hook: str) -> str:
    """One hook. It takes no arguments, which a test checks."""
    function, spec = getattr(hookspecs, hook), HOOKS[hook]
    fields = [field for field in dataclasses.fields(spec) if field.name != "target"]
    rows = [(f"`{f.name}`", f"`{f.type}`", _default(f), "" if f.name in _COMMON else "its own") for f in fields]
    heading = f"## `{hook}() -> Iterable[{spec.__name__}]`"
    text = (inspect.getdoc(function) or "").replace("docs/reference/", "")
    about = " ".join((inspect.getdoc(spec) or "").split("\n\n")[0].split())
    return "\n\n".join([heading, text, f"`{spec.__name__}`: {about}", table(("field", "type", "default", ""), rows)])


_COMMON = {field.name for field in dataclasses.fields(Spec)}


def _default(field: dataclasses.Field) -> str:  # type: ignore[type-arg]
    if field.default is not dataclasses.MISSING:
        return f"`{field.default!r}`"
    return "required" if field.default_factory is dataclasses.MISSING else "empty"
