"""The base of a board: the recipe that every other row is compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from calibench.config.grammar import Piece, parse_recipe
from calibench.errors import InputError
from calibench.records.record import ResultRecord

Stages = tuple[Piece, ...]


def stages_of(record: ResultRecord) -> Stages:
    """The stages of a record's recipe, with the objective that its text leaves out: `vtst` has the stages of `ce+vtst`.

    A text that the grammar cannot read is one stage.
    """
    try:
        pieces = parse_recipe(record.recipe)
    except InputError:
        return (Piece(record.recipe),)
    stages = record.config.get("stages")
    if isinstance(stages, list) and len(stages) == len(pieces) + 1 and isinstance(stages[0], Mapping):
        return (Piece(str(stages[0].get("name"))), *pieces)
    return pieces


def default_base(records: Mapping[str, ResultRecord]) -> str | None:
    """The recipe that most other recipes extend: its stages are the first of theirs. Ties go by name; None if none is extended.

    `records` holds a record of each recipe.
    """
    stages = {recipe: stages_of(record) for recipe, record in records.items()}
    begins = Counter(of_recipe[:count] for of_recipe in stages.values() for count in range(1, len(of_recipe)))
    extended = {recipe: begins[of_recipe] for recipe, of_recipe in stages.items()}
    most = max(extended.values(), default=0)
    return min(recipe for recipe, count in extended.items() if count == most) if most else None
