"""The names of pages, from names that users type: safe in every file system and address, and never two alike."""

from __future__ import annotations

import hashlib
import re

LONGEST = 60

RESERVED = {"con", "prn", "aux", "nul", "index"}
"""Names that Windows or the site itself keeps."""


def address(text: str) -> str:
    """`ce_temperature` for `ce+temperature`: letters, digits, `-`, `.`; a name of which more is changed ends in six hex digits.

    Equal texts have equal addresses in every site, and other texts have others.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", text.replace("+", "_")).strip("-.")[:LONGEST]
    if (
        plain == text.replace("+", "_")
        and "_" not in text
        and plain
        and plain == plain.lower()
        and plain not in RESERVED
    ):
        return plain
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{plain.lower()}-{digest}" if plain else digest
