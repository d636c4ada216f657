"""Read the TOML of presets and suites, which strangers may have written."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from calibench.errors import InputError

DEEPEST = 64
"""Parts of a key. A key of thousands of parts takes gigabytes: the parser keeps each part with all before it."""

_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_BETWEEN = re.compile(r"[^\w.\- \t]+")
_PART = re.compile(r"[\w-][ \t]*\.")


def read_toml(text: str, where: str, hint: str) -> dict[str, Any]:
    """The content of a TOML document. InputError that begins with `where` for what is none, and for what is nested too deep."""
    if any(_is_deep(line) for line in text.splitlines()):
        raise InputError(f"{where}: nested too deeply", f"a key has more than {DEEPEST} parts, where three do")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InputError(f"{where}: nested too deeply", "tables stand in tables, and no deeper") from None
    except ValueError as error:  # tomllib's, and Python's of a number of thousands of digits
        raise InputError(f"{where}: not TOML: {error}", hint) from None


def _is_deep(line: str) -> bool:
    """True if a key in this line has too many parts."""
    if line.count(".") < DEEPEST:
        return False
    pieces = _BETWEEN.split(_QUOTED.sub("q", line))
    return any(len(_PART.findall(piece)) >= DEEPEST for piece in pieces)
