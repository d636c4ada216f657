"""Lists of names that a user writes as `a; b; c`."""

from __future__ import annotations

from collections.abc import Sequence


def split_names(text: str | None) -> tuple[str, ...]:
    """The names in `a; b; c`, without the spaces around them; none if `text` is None."""
    return () if text is None else tuple(name.strip() for name in text.split(";"))


def first_repeated(names: Sequence[str]) -> str | None:
    """The first name that occurs more than once, or None."""
    return next((name for name in names if names.count(name) > 1), None)
