"""The page of the extras that `pip install "calibench[NAME]"` takes, from pyproject.toml and its comments."""

from __future__ import annotations

import re
import tomllib

from markdown_text import table
from navigation import ROOT
from source import MadePage

TOP = """\
# Extras

What `pip install "calibench[NAME]"` adds. Made from `pyproject.toml`. A command that needs one says
so, with the line to install it. `test`, `docs` and `dev` are for work on calibench itself.

"""


def extras_page() -> MadePage:
    """A row for each extra: its packages, and what they are for."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras: dict[str, list[str]] = tomllib.loads(text)["project"]["optional-dependencies"]
    rows = [(f"`{name}`", " ".join(f"`{p}`" for p in extras[name]), purpose(name, text)) for name in extras]
    return MadePage("reference/extras.md", TOP + table(("extra", "packages", "for"), rows) + "\n")


def purpose(name: str, text: str) -> str:
    """The comment in the line in which an extra begins."""
    found = re.search(rf"(?m)^{re.escape(name)} = \[[^#\n]*# *(.+)$", text)
    return "" if found is None else found[1]
