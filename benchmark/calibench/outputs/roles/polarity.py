"""Words for no and yes: pairs of labels that tell the positive class by themselves."""

from __future__ import annotations

from collections.abc import Sequence

PAIRS = (
    ("0", "1"),
    ("-1", "1"),
    ("false", "true"),
    ("no", "yes"),
    ("n", "y"),
    ("f", "t"),
    ("neg", "pos"),
    ("negative", "positive"),
)
"""Labels of two classes, of which the second is the positive one."""


def pair_of(words: Sequence[str]) -> tuple[str, str] | None:
    """The pair that all of the `words` are of, whatever their case; None if there is none."""
    lower = {word.casefold() for word in words}
    return next((pair for pair in PAIRS if lower and lower <= set(pair)), None)


def same_in_other_words(labels: Sequence[str], names: Sequence[str]) -> list[int] | None:
    """For each of `labels` the place among two `names` that means the same, as 1 is `True` and `yes`; None if either is no pair."""
    of_labels, of_names = pair_of(labels), pair_of(names)
    if of_labels is None or of_names is None or len(names) != 2:
        return None
    lower = [name.casefold() for name in names]
    return [lower.index(of_names[of_labels.index(label.casefold())]) for label in labels]
