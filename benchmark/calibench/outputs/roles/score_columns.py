"""Find the columns of scores in a table: those that the user names, else those that can be scores."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from calibench.errors import InputError, did_you_mean
from calibench.lazy import np
from calibench.outputs.columns import Columns
from calibench.outputs.outputs import SUM_TOLERANCE
from calibench.outputs.roles.cells import holds_no_number, number_columns
from calibench.outputs.roles.class_names import listed
from calibench.outputs.roles.index_column import counts_rows, index_columns, is_index_name
from calibench.outputs.roles.usual_names import LOGIT_COLUMN, NO_SCORES, ONE_LOGIT, ONE_PROB, PROB_COLUMN

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ScoreColumns(NamedTuple):
    """The columns of scores, whether they are probabilities (None: their values tell), and sentences for the user."""

    names: list[str]
    from_probs: bool | None
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Columns that a note says are left out."""


def score_columns(
    table: Mapping[str, NDArray[Any]], label_columns: Sequence[str], columns: Columns, path: object
) -> ScoreColumns:
    """The columns of scores of a table that is there whole. InputError if there are none, or a name is not there."""
    free = [name for name in table if name not in label_columns and name not in columns.others]
    named = columns.logits or columns.probs
    if named:
        chosen = matching(named, table, [*label_columns, *columns.others], path)
        wild = [name for name in chosen if name not in _parts(named)]
        numeric = number_columns(table, wild)
        index = index_columns(wild, numeric)
        chosen = _without(chosen, index)
        return ScoreColumns(chosen, columns.logits is None, _left_out(index, numeric), tuple(index))
    if not free:
        raise InputError(f"{path}: no column is called '*'", did_you_mean("*", table))
    numeric = number_columns(table, free)
    index = index_columns(free, numeric)
    free = _without(free, index)
    found = by_beginning(free, path) or _by_values(table, free, path)
    return found._replace(notes=(*_left_out(index, numeric), *found.notes), left_out=(*index, *found.left_out))


def score_columns_by_name(
    names: Sequence[str], label_columns: Sequence[str], columns: Columns, path: object
) -> ScoreColumns:
    """The same by names alone, of a table that is read a block at a time."""
    taken = [*label_columns, *columns.others]
    named = columns.logits or columns.probs
    if named:
        chosen = matching(named, names, taken, path)
        wild = [name for name in chosen if name not in _parts(named) and is_index_name(name)]
        return ScoreColumns(_without(chosen, wild), columns.logits is None, _left_out(wild), tuple(wild))
    free = [name for name in names if name not in taken and not is_index_name(name) and name.lower() not in NO_SCORES]
    if not free:
        raise InputError(f"{path}: no column is called '*'", did_you_mean("*", names))
    return by_beginning(free, path) or ScoreColumns(free, True)


def by_beginning(names: Sequence[str], path: object) -> ScoreColumns | None:
    """The columns whose names begin as those of probabilities do, or of logits; None if fewer than two do."""
    probs = [name for name in names if PROB_COLUMN.match(name)]
    logits = [name for name in names if LOGIT_COLUMN.match(name)]
    if len(probs) > 1 and len(logits) > 1:
        message = f"{path} holds columns of probabilities ({listed(probs)}) and of logits ({listed(logits)})"
        raise InputError(message, f"name the scores: --probs '{probs[0]},...' or --logits '{logits[0]},...'")
    if len(probs) > 1 or len(logits) > 1:
        return ScoreColumns(probs if len(probs) > 1 else logits, len(probs) > 1)
    return None


def _by_values(table: Mapping[str, NDArray[Any]], free: list[str], path: object) -> ScoreColumns:
    """The columns that are left when words and usual other columns are left out."""
    words = [name for name in free if holds_no_number(table[name])]
    numeric = number_columns(table, free)
    rest = _without(free, words)
    lacking = [name for name in rest if name in numeric and np.isnan(numeric[name]).any()]
    full = _without(rest, lacking)
    if lacking and len(full) > 1 and all(name in numeric for name in full) and _sum_to_one(full, numeric):
        note = f"the columns {listed(lacking)} are left out: they lack values, and without them every row sums to 1"
        return ScoreColumns(full, True, (note,), tuple(lacking))
    if not (len(rest) > 1 and all(name in numeric for name in rest) and _sum_to_one(rest, numeric)):
        rest = [name for name in rest if name.lower() not in NO_SCORES]
    if len(rest) > 1 and all(name in numeric for name in rest):
        dropped = _stranger(rest, numeric)
        if dropped is not None and not _one_column(rest):
            note = f"the column {dropped!r} is left out: without it every row sums to 1"
            return ScoreColumns(_without(rest, [dropped]), True, (note,), (dropped,))
        if dropped is None and not _sum_to_one(rest, numeric) and len(_one_column(rest)) == 1:
            rest = _one_column(rest)
    if not rest:
        others = _without(free, words)
        hint = f"name the columns of scores: --probs or --logits; the file has {listed(table)}"
        raise InputError(
            f"{path}: no column is one of scores{f', since {listed(others)} are not' if others else ''}", hint
        )
    from_probs = None
    if len(rest) == 1:
        from_probs = True if rest[0].lower() in ONE_PROB else False if rest[0].lower() in ONE_LOGIT else None
    return ScoreColumns(rest, from_probs)


def _one_column(names: Sequence[str]) -> list[str]:
    """The columns that are named as the one column of two classes is."""
    return [name for name in names if name.lower() in (*ONE_PROB, *ONE_LOGIT) or PROB_COLUMN.match(name)]


def _sum_to_one(names: Sequence[str], numeric: Mapping[str, NDArray[np.float64]]) -> bool:
    total = np.stack([numeric[name] for name in names]).sum(axis=0)
    return bool((np.abs(total - 1) <= SUM_TOLERANCE).all())


def _stranger(names: list[str], numeric: Mapping[str, NDArray[np.float64]]) -> str | None:
    """The one column without which the others are probabilities; None if they are already, or if there is none."""
    total = np.sum([numeric[name] for name in names], axis=0)
    if len(names) < 3 or not np.isfinite(total).all() or (np.abs(total - 1) <= SUM_TOLERANCE).all():
        return None
    sums = {name: np.abs(total - numeric[name] - 1).max() <= SUM_TOLERANCE for name in names}
    without = [name for name, one in sums.items() if one]
    inside = [name for name in without if all((numeric[o] >= 0).all() for o in names if o != name)]
    return inside[0] if len(inside) == 1 else None


def _left_out(index: Sequence[str], numeric: Mapping[str, NDArray[np.float64]] | None = None) -> tuple[str, ...]:
    """That columns are left out: those without a name need not count anything."""
    return tuple(
        f"the column {name!r} is left out of the scores: it "
        + ("has no name" if numeric is not None and not counts_rows(numeric.get(name)) else "counts the rows")
        for name in index
    )


def _without(names: Sequence[str], others: Sequence[str]) -> list[str]:
    return [name for name in names if name not in others]


def _parts(patterns: str) -> list[str]:
    return [part.strip() for part in patterns.split(",")]


def matching(patterns: str, names: Any, excluded: Sequence[str], path: object) -> list[str]:
    """The columns that match names or patterns joined by commas, in the order of the patterns, without those `excluded`."""
    found: list[str] = []
    for pattern in [patterns] if patterns in names else _parts(patterns):
        matched = [
            name for name in names if name not in excluded and (name == pattern or fnmatch.fnmatchcase(name, pattern))
        ]
        if not matched:
            raise InputError(f"{path}: no column is called {pattern!r}", did_you_mean(pattern, names))
        found += [name for name in matched if name not in found]
    return found
