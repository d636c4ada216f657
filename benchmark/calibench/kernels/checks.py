"""What every kernel refuses, in the same words whichever backend serves it."""

from __future__ import annotations

import re
from typing import NoReturn

import torch

from calibench.errors import InputError

SCORE_TYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
LABEL_TYPES = (torch.int64, torch.int32, torch.uint8)

MAX_BINS = 1 << 24
"""The compiled side's bound (csrc/inputs.h), so that both backends refuse the same."""

PROBABILITY_CEILING = 1 + 1e-3
"""A row of float16 probabilities may exceed 1 by its rounding; `calibench.outputs` allows as much."""

_BAD_ROW = re.compile(r"calibench: (row \d+: [^\n]*)")

_ROW_HINTS = (
    ("NaN", "drop or mend the row"),
    ("label", "class indices run from 0 to K - 1"),
    ("probability", "are these logits? then leave from_probs out"),
)


def check_inputs(where: str, scores: torch.Tensor, labels: torch.Tensor, bins: int) -> None:
    """Refuses wrong shapes, types and devices, `bins` outside [1, 2^24], and a gradient that nobody could compute.

    Scores `[N, K]` with N >= 0 and K >= 1, labels `[N]`. Raises InputError; what is wrong with one row is found later.
    """
    if scores.ndim != 2:
        raise InputError(f"{where}: scores have shape {list(scores.shape)}, not [N, K]", "one column per class")
    if scores.shape[1] < 1:
        raise InputError(f"{where}: scores have no classes (shape {list(scores.shape)})", "one column per class")
    if scores.dtype not in SCORE_TYPES:
        raise InputError(f"{where}: scores have type {_name(scores.dtype)}", f"use one of {_names(SCORE_TYPES)}")
    if labels.ndim != 1:
        raise InputError(f"{where}: labels have shape {list(labels.shape)}, not [N]", "one class index per row")
    if labels.dtype not in LABEL_TYPES:
        raise InputError(f"{where}: labels have type {_name(labels.dtype)}", f"use one of {_names(LABEL_TYPES)}")
    if len(labels) != len(scores):
        raise InputError(
            f"{where}: {len(scores)} rows of scores and {len(labels)} labels", "they must be of one length"
        )
    if labels.device != scores.device:
        hint = "move the labels with labels.to(logits.device)"
        raise InputError(f"{where}: scores are on {scores.device} and labels on {labels.device}", hint)
    if isinstance(bins, bool) or not isinstance(bins, int) or not 1 <= bins <= MAX_BINS:
        raise InputError(f"{where}: bins is {bins!r}, not a whole number in [1, {MAX_BINS}]", "the usual number is 15")
    if scores.requires_grad and torch.is_grad_enabled():
        raise InputError(f"{where}: metrics are not differentiable", "call .detach() on the logits first")


def raise_row_error(where: str, what: str) -> NoReturn:
    """Raises InputError for `what`, a sentence of the form `row 3: a score is NaN or infinite`, with its hint."""
    hint = next((hint for word, hint in _ROW_HINTS if word in what), "")
    raise InputError(f"{where}: {what}", hint) from None


def translate(where: str, error: RuntimeError) -> NoReturn:
    """Raises InputError where a compiled operator's RuntimeError names a row, else the error itself."""
    found = _BAD_ROW.search(str(error))
    if found is None:
        raise error
    raise_row_error(where, found.group(1))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _names(dtypes: tuple[torch.dtype, ...]) -> str:
    return ", ".join(_name(dtype) for dtype in dtypes)
