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
"""A row of float16 probabilities may exceed 1 by its rounding; `calibench.outputs.outputs` allows as much."""

NO_FAULT = torch.iinfo(torch.int64).max
NON_FINITE, LABEL, PROBABILITY = 1, 2, 3
"""Why a row is bad, as the kernels' fault says it: code = row * 4 + status."""

_BAD_ROW = re.compile(r"calibench: (row \d+: [^\n]*)")

_ROW_HINTS = (
    ("NaN", "drop or mend the row"),
    ("label", "class indices run from 0 to K - 1"),
    ("probability", "are these logits? then leave from_probs out"),
    ("confidence", "a confidence is the probability of the predicted class"),
)


def check_inputs(where: str, scores: torch.Tensor, labels: torch.Tensor, bins: int) -> None:
    """Refuses wrong shapes, types and devices, `bins` outside [1, 2^24], and a gradient that nobody could compute.

    Scores `[N, K]` with N >= 0 and K >= 1, labels `[N]`. Raises InputError; what is wrong with one row is found later.
    """
    check_scores(where, scores)
    check_labels(where, labels, scores)
    check_bins(where, bins)


def check_scores(where: str, scores: torch.Tensor) -> None:
    """Refuses what is not a tensor `[N, K]` of floating-point numbers, K >= 1, without a gradient."""
    check_tensor(where, "scores", scores)
    if scores.ndim != 2:
        raise InputError(f"{where}: scores have shape {list(scores.shape)}, not [N, K]", "one column per class")
    if scores.shape[1] < 1:
        raise InputError(f"{where}: scores have no classes (shape {list(scores.shape)})", "one column per class")
    if scores.dtype not in SCORE_TYPES:
        raise InputError(f"{where}: scores have type {name(scores.dtype)}", f"use one of {_names(SCORE_TYPES)}")
    refuse_gradient(where, scores, "logits")


def check_labels(where: str, labels: torch.Tensor, scores: torch.Tensor) -> None:
    """Refuses labels that are not `[N]` whole numbers on the device of the scores."""
    check_tensor(where, "labels", labels)
    if labels.ndim != 1:
        raise InputError(f"{where}: labels have shape {list(labels.shape)}, not [N]", "one class index per row")
    if labels.dtype not in LABEL_TYPES:
        raise InputError(f"{where}: labels have type {name(labels.dtype)}", f"use one of {_names(LABEL_TYPES)}")
    if labels.shape[0] != scores.shape[0]:
        message = f"{where}: {scores.shape[0]} rows of scores and {labels.shape[0]} labels"
        raise InputError(message, "they must be of one length")
    if labels.device != scores.device:
        hint = "move the labels with labels.to(logits.device)"
        raise InputError(f"{where}: scores are on {scores.device} and labels on {labels.device}", hint)


def check_bins(where: str, bins: object) -> None:
    """Refuses `bins` that is not a whole number in [1, 2^24]."""
    if isinstance(bins, bool) or not isinstance(bins, int) or not 1 <= bins <= MAX_BINS:
        hint = "the usual number is 15"
        if isinstance(bins, float) and bins.is_integer():
            hint = f"did you mean {int(bins)}?"
        raise InputError(f"{where}: bins is {bins!r}, not a whole number in [1, {MAX_BINS}]", hint)


def check_tensor(where: str, what: str, value: object) -> None:
    """Refuses what is no tensor."""
    if not isinstance(value, torch.Tensor):
        kind = type(value).__name__
        raise InputError(f"{where}: {what} are a {kind}, not a tensor", "torch.as_tensor makes one")


def refuse_gradient(where: str, tensor: torch.Tensor, what: str) -> None:
    """Refuses a tensor that wants a gradient while gradients are recorded."""
    if tensor.requires_grad and torch.is_grad_enabled():
        if (
            torch.compiler.is_compiling()
        ):  # torch shows the text of a built-in error; of ours it says it cannot trace it
            raise RuntimeError(
                f"calibench: {where}: metrics are not differentiable; call .detach() on the {what} first"
            )
        raise InputError(f"{where}: metrics are not differentiable", f"call .detach() on the {what} first")


def readable(tensor: torch.Tensor) -> bool:
    """Whether values may be looked at: not on a GPU, which would have to be waited for, nor while torch traces."""
    return not torch.compiler.is_compiling() and tensor.device.type == "cpu"


def row_sentence(row: int, status: int, label: int, classes: int) -> str:
    """What is wrong with one row of scores, as the kernels say it too."""
    if status == NON_FINITE:
        return f"row {row}: a score is NaN or infinite"
    if status == LABEL:
        return f"row {row}: the label is {label}, outside [0, {classes})"
    return f"row {row}: a probability lies outside [0, 1]"


def confidence_sentence(row: int, status: int) -> str:
    """What is wrong with one confidence."""
    what = "is NaN or infinite" if status == NON_FINITE else "lies outside [0, 1]"
    return f"row {row}: a confidence {what}"


def refuse_confidence(where: str, confidence: torch.Tensor) -> None:
    """Refuses confidences `[N]` outside [0, 1 + 1e-3], naming the lowest row; looks at them."""
    inside = (confidence >= 0) & (confidence <= PROBABILITY_CEILING)
    if bool(inside.all()):
        return
    row = int((~inside).nonzero()[0])
    status = PROBABILITY if bool(confidence[row].isfinite()) else NON_FINITE
    raise_row_error(where, confidence_sentence(row, status))


def raise_fault(where: str, classes: int, flag: torch.Tensor) -> None:
    """Raises InputError for a kernel's fault, int64 [2], if it names a row; waits for the GPU. `classes` 0: no scores."""
    code, label = flag.tolist()
    if code == NO_FAULT:
        return
    row, status = divmod(code, 4)
    raise_row_error(where, row_sentence(row, status, label, classes) if classes else confidence_sentence(row, status))


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


def name(dtype: torch.dtype) -> str:
    """`float32` for torch.float32."""
    return str(dtype).removeprefix("torch.")


def _names(dtypes: tuple[torch.dtype, ...]) -> str:
    return ", ".join(name(dtype) for dtype in dtypes)
