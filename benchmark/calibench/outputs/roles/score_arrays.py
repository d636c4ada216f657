"""Find the array of scores in a file of arrays, or in a table of lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calibench.errors import InputError
from calibench.outputs.columns import Columns
from calibench.outputs.roles.class_names import listed
from calibench.outputs.roles.usual_names import LOGITS, PROBS


def scores_name(columns: Columns, arrays: Mapping[str, Any], path: object) -> str:
    """The user's name of the scores, else `logits` or `probs`, whichever the file holds. InputError if that is not one."""
    name = columns.logits or columns.probs
    if name:
        return name
    usual = [name for name in ("logits", "probs") if name in arrays]
    if not usual:
        usual = [name for name in arrays if name.lower() in (*PROBS, *LOGITS)]
    if len(usual) != 1:
        which = "neither 'logits' nor 'probs'" if not usual else f"both {usual[0]!r} and {usual[1]!r}"
        names = listed(arrays) or "nothing"
        raise InputError(f"{path} holds {which} (it holds {names})", f"name the scores: {_which(arrays)}")
    return usual[0]


def are_probs(columns: Columns, name: str) -> bool:
    """True if the array `name` holds probabilities, by the user's word or by its usual name."""
    return columns.probs is not None or (columns.logits is None and name.lower() in PROBS)


def _which(arrays: Mapping[str, Any]) -> str:
    """The options that name the scores, with the one array that can be them if there is one."""
    several = [name for name, array in arrays.items() if getattr(array, "ndim", 0) > 1 and array.dtype.kind == "f"]
    name = several[0] if len(several) == 1 else "NAME"
    return f"--logits {name} or --probs {name}"
