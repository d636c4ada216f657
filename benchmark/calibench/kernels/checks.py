"""Checks of the kernels' inputs, with the same messages on every backend.

`caller` is the name of the public function; every message starts with it.
"""

from __future__ import annotations

import re
from typing import NoReturn

import torch

from calibench.errors import InputError

SCORE_TYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
LABEL_TYPES = (torch.int64, torch.int32, torch.uint8)

MAX_BINS = 1 << 24
"""The limit of the compiled operators (csrc/inputs.h), so that both backends refuse the same."""

PROBABILITY_CEILING = 1 + 1e-3
"""Rounding may lift a float16 probability above 1; `calibench.outputs.outputs` allows as much."""

NO_FAULT = torch.iinfo(torch.int64).max
NON_FINITE, LABEL, PROBABILITY = 1, 2, 3
"""The kinds of a bad row: the status in a kernel's fault, whose code is row * 4 + status."""

_BAD_ROW = re.compile(r"calibench: (row \d+: [^\n]*)")

_ROW_HINTS = (
    ("NaN", "drop or correct the row"),
    ("label", "class indices run from 0 to K - 1"),
    ("probability", "are these logits? then leave from_probs out"),
    ("confidence", "a confidence is the probability of the predicted class"),
)


def check_inputs(caller: str, scores: torch.Tensor, labels: torch.Tensor, bins: int) -> None:
    """InputError unless scores are `[N, K]` (N >= 0, K >= 1), labels `[N]` and `bins` is in [1, 2^24].

    Looks at shapes, types, devices and gradients only; bad values of a row are found later.
    """
    check_scores(caller, scores)
    check_labels(caller, labels, scores)
    check_bins(caller, bins)


def check_scores(caller: str, scores: torch.Tensor) -> None:
    """InputError unless scores are a floating-point tensor `[N, K]`, K >= 1, that requires no gradient."""
    check_tensor(caller, "scores", scores)
    if scores.ndim != 2:
        raise InputError(f"{caller}: scores have shape {list(scores.shape)}, not [N, K]", "one column per class")
    if scores.shape[1] < 1:
        raise InputError(f"{caller}: scores have no classes (shape {list(scores.shape)})", "one column per class")
    if scores.dtype not in SCORE_TYPES:
        raise InputError(f"{caller}: scores have type {dtype_name(scores.dtype)}", f"use one of {_names(SCORE_TYPES)}")
    refuse_gradient(caller, scores, "logits")


def check_labels(caller: str, labels: torch.Tensor, scores: torch.Tensor) -> None:
    """InputError unless labels are whole numbers `[N]` on the device of the scores."""
    check_tensor(caller, "labels", labels)
    if labels.ndim != 1:
        raise InputError(f"{caller}: labels have shape {list(labels.shape)}, not [N]", "one class index per row")
    if labels.dtype not in LABEL_TYPES:
        raise InputError(f"{caller}: labels have type {dtype_name(labels.dtype)}", f"use one of {_names(LABEL_TYPES)}")
    if labels.shape[0] != scores.shape[0]:
        message = f"{caller}: {scores.shape[0]} rows of scores and {labels.shape[0]} labels"
        raise InputError(message, "they must be of one length")
    if labels.device != scores.device:
        hint = "move the labels with labels.to(logits.device)"
        raise InputError(f"{caller}: scores are on {scores.device} and labels on {labels.device}", hint)


def check_bins(caller: str, bins: object) -> None:
    """InputError unless `bins` is a whole number in [1, 2^24]."""
    if isinstance(bins, bool) or not isinstance(bins, int) or not 1 <= bins <= MAX_BINS:
        hint = "the usual number is 15"
        if isinstance(bins, float) and bins.is_integer():
            hint = f"did you mean {int(bins)}?"
        raise InputError(f"{caller}: bins is {bins!r}, not a whole number in [1, {MAX_BINS}]", hint)


def check_tensor(caller: str, name: str, value: object) -> None:
    """InputError unless `value`, which the message calls `name`, is a tensor."""
    if not isinstance(value, torch.Tensor):
        kind = type(value).__name__
        raise InputError(f"{caller}: {name} are a {kind}, not a tensor", "torch.as_tensor makes one")


def refuse_gradient(caller: str, tensor: torch.Tensor, name: str) -> None:
    """InputError if the tensor requires a gradient and gradients are recorded; RuntimeError while torch compiles."""
    if not (tensor.requires_grad and torch.is_grad_enabled()):
        return
    message, hint = f"{caller}: metrics are not differentiable", f"call .detach() on the {name} first"
    if torch.compiler.is_compiling():
        # torch shows the text of a built-in error, but refuses to trace an InputError.
        raise RuntimeError(f"calibench: {message}; {hint}")
    raise InputError(message, hint)


def check_on_cpu(caller: str, *tensors: torch.Tensor | None) -> None:
    """InputError for a tensor on a GPU: outputs are judged on the CPU, where `Judged` has them."""
    for tensor in tensors:
        if tensor is not None and tensor.device.type != "cpu":
            raise InputError(f"{caller}: a tensor is on {tensor.device}", "it runs on the CPU: use .cpu()")


def readable(tensor: torch.Tensor) -> bool:
    """True if values may be read: not on a GPU, where reading means waiting, and not while torch traces."""
    return not torch.compiler.is_compiling() and tensor.device.type == "cpu"


def row_sentence(row: int, status: int, label: int, classes: int) -> str:
    """The fault of a row of scores, in the words of the compiled kernels."""
    if status == NON_FINITE:
        return f"row {row}: a score is NaN or infinite"
    if status == LABEL:
        return f"row {row}: the label is {label}, outside [0, {classes})"
    return f"row {row}: a probability lies outside [0, 1]"


def confidence_sentence(row: int, status: int) -> str:
    """The fault of a confidence, in the words of the compiled kernels."""
    problem = "is NaN or infinite" if status == NON_FINITE else "lies outside [0, 1]"
    return f"row {row}: a confidence {problem}"


def refuse_confidence(caller: str, confidence: torch.Tensor) -> None:
    """InputError that names the lowest row whose confidence `[N]` is outside [0, 1 + 1e-3]."""
    inside = (confidence >= 0) & (confidence <= PROBABILITY_CEILING)
    if bool(inside.all()):
        return
    row = int((~inside).nonzero()[0])
    status = PROBABILITY if bool(confidence[row].isfinite()) else NON_FINITE
    raise_row_error(caller, confidence_sentence(row, status))


def raise_fault(caller: str, classes: int, flag: torch.Tensor) -> None:
    """InputError if a kernel's fault, int64 [2], names a row. Waits for the GPU. `classes` is 0 for confidences."""
    code, label = flag.tolist()
    if code == NO_FAULT:
        return
    row, status = divmod(code, 4)
    raise_row_error(caller, row_sentence(row, status, label, classes) if classes else confidence_sentence(row, status))


def raise_row_error(caller: str, sentence: str) -> NoReturn:
    """InputError with its hint for a sentence of the form `row 3: a score is NaN or infinite`."""
    hint = next((hint for word, hint in _ROW_HINTS if word in sentence), "")
    raise InputError(f"{caller}: {sentence}", hint) from None


def translate(caller: str, error: RuntimeError) -> NoReturn:
    """InputError if a compiled operator's RuntimeError names a row, else that RuntimeError itself."""
    match = _BAD_ROW.search(str(error))
    if match is None:
        raise error
    raise_row_error(caller, match.group(1))


def dtype_name(dtype: torch.dtype) -> str:
    """`float32` for torch.float32."""
    return str(dtype).removeprefix("torch.")


def _names(dtypes: tuple[torch.dtype, ...]) -> str:
    return ", ".join(dtype_name(dtype) for dtype in dtypes)
