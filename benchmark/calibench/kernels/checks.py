"""Checks of the kernels' inputs, with the same messages on every backend.

`caller` is the name of the public function; every message starts with it.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from calibench.errors import InputError
from calibench.kernels.arrays import Array, is_numpy
from calibench.lazy import torch

SCORE_TYPES = ("float64", "float32", "bfloat16", "float16")
LABEL_TYPES = ("int64", "int32", "uint8")

MAX_BINS = 1 << 24
"""The limit of the compiled operators (csrc/inputs.h), so that both backends refuse the same."""

PROBABILITY_CEILING = 1 + 1e-3
"""Rounding may lift a float16 probability above 1; `calibench.outputs.outputs` allows as much."""

NO_FAULT = (1 << 63) - 1
NON_FINITE, LABEL, PROBABILITY = 1, 2, 3
"""The kinds of a bad row: the status in a kernel's fault, whose code is row * 4 + status."""

_NUMPY_TYPES = "use one of float64, float32, float16; numpy has no bfloat16, so widen it or give a tensor"

_BAD_ROW = re.compile(r"calibench: (row \d+: [^\n]*)")

_ROW_HINTS = (
    ("NaN", "drop or correct the row"),
    ("label", "class indices run from 0 to K - 1"),
    ("probability", "are these logits? then leave from_probs out"),
    ("confidence", "a confidence is the probability of the predicted class"),
)


def check_inputs(caller: str, scores: Array, labels: Array, bins: int) -> None:
    """InputError unless scores are `[N, K]` (N >= 0, K >= 1), labels `[N]` and `bins` is in [1, 2^24].

    Looks at shapes, types, devices and gradients only; bad values of a row are found later.
    """
    check_scores(caller, scores)
    check_labels(caller, labels, scores)
    check_bins(caller, bins)


def check_scores(caller: str, scores: Array) -> None:
    """InputError unless scores are floating-point numbers `[N, K]`, K >= 1, that require no gradient."""
    check_array(caller, "scores", scores)
    if scores.ndim != 2:
        raise InputError(f"{caller}: scores have shape {list(scores.shape)}, not [N, K]", "one column per class")
    if scores.shape[1] < 1:
        raise InputError(f"{caller}: scores have no classes (shape {list(scores.shape)})", "one column per class")
    if dtype_name(scores.dtype) not in SCORE_TYPES:
        hint = _NUMPY_TYPES if is_numpy(scores) else f"use one of {', '.join(SCORE_TYPES)}"
        raise InputError(f"{caller}: scores have type {dtype_name(scores.dtype)}", hint)
    refuse_gradient(caller, scores, "logits")


def check_labels(caller: str, labels: Array, scores: Array) -> None:
    """InputError unless labels are whole numbers `[N]`, of the kind and on the device of the scores."""
    check_array(caller, "labels", labels)
    refuse_two_kinds(caller, scores, labels)
    if labels.ndim != 1:
        raise InputError(f"{caller}: labels have shape {list(labels.shape)}, not [N]", "one class index per row")
    if dtype_name(labels.dtype) not in LABEL_TYPES:
        hint = f"use one of {', '.join(LABEL_TYPES)}"
        raise InputError(f"{caller}: labels have type {dtype_name(labels.dtype)}", hint)
    if labels.shape[0] != scores.shape[0]:
        message = f"{caller}: {scores.shape[0]} rows of scores and {labels.shape[0]} labels"
        raise InputError(message, "they must be of one length")
    if not is_numpy(scores) and labels.device != scores.device:
        hint = "move the labels with labels.to(logits.device)"
        raise InputError(f"{caller}: scores are on {scores.device} and labels on {labels.device}", hint)


def check_bins(caller: str, bins: object) -> int:
    """The number of bins; InputError unless it is a whole number in [1, 2^24]."""
    if isinstance(bins, bool) or not isinstance(bins, int) or not 1 <= bins <= MAX_BINS:
        hint = "the usual number is 15"
        if isinstance(bins, float) and bins.is_integer():
            hint = f"did you mean {int(bins)}?"
        raise InputError(f"{caller}: bins is {bins!r}, not a whole number in [1, {MAX_BINS}]", hint)
    return bins


def check_tensor(caller: str, name: str, value: object) -> None:
    """InputError unless `value`, which the message calls `name`, is a tensor."""
    if not isinstance(value, torch.Tensor):
        kind = type(value).__name__
        raise InputError(f"{caller}: {name} are a {kind}, not a tensor", "torch.as_tensor makes one")


def check_array(caller: str, name: str, value: object) -> None:
    """InputError unless `value` is a tensor, or a numpy array as the kernels read it."""
    if is_numpy(value):
        _check_numpy(caller, name, value)
    else:
        check_tensor(caller, name, value)


def _check_numpy(caller: str, name: str, array: npt.NDArray[Any]) -> None:
    """InputError for what torch.from_numpy refuses, and for subclasses: a mask would be left out without a word."""
    if type(array) not in {np.ndarray, np.memmap}:
        hint = "numpy.asarray makes an array, without a mask"
        raise InputError(f"{caller}: {name} are a {type(array).__name__}, not an array", hint)
    if not array.dtype.isnative:
        hint = "array.astype(array.dtype.newbyteorder('=')) turns them round"
        raise InputError(f"{caller}: {name} have the byte order of another machine ({array.dtype})", hint)
    item = array.itemsize
    steps = (step for step, size in zip(array.strides, array.shape, strict=True) if size > 1)
    if array.size and (not array.flags.aligned or any(step < 0 or step % item for step in steps)):
        hint = "numpy.ascontiguousarray makes a copy that is neither"
        raise InputError(f"{caller}: {name} run backwards or are not aligned in memory", hint)


def refuse_two_kinds(caller: str, *arrays: object) -> None:
    """InputError if some are numpy arrays and some are tensors. None is of either kind."""
    if len({is_numpy(array) for array in arrays if array is not None}) > 1:
        raise InputError(f"{caller}: one array is of numpy and another of torch", "give both as one kind")


def refuse_gradient(caller: str, tensor: Array, name: str) -> None:
    """InputError if a tensor requires a gradient and gradients are recorded; RuntimeError while torch compiles."""
    if is_numpy(tensor) or not (tensor.requires_grad and torch.is_grad_enabled()):
        return
    message, hint = f"{caller}: metrics are not differentiable", f"call .detach() on the {name} first"
    if torch.compiler.is_compiling():
        # torch shows the text of a built-in error, but refuses to trace an InputError.
        raise RuntimeError(f"calibench: {message}; {hint}")
    raise InputError(message, hint)


def check_one_device(caller: str, *arrays: Array | None) -> None:
    """InputError unless all are numpy arrays, or tensors on the CPU, or tensors on one GPU. None is anywhere."""
    refuse_two_kinds(caller, *arrays)
    devices: list[torch.device] = []
    for array in arrays:
        if array is None:
            continue
        check_array(caller, "numbers", array)
        if not is_numpy(array) and array.device not in devices:
            devices.append(array.device)
    if len(devices) > 1:
        names = " and ".join(map(str, devices))
        raise InputError(f"{caller}: tensors are on {names}", "move them to one device with .to(device)")
    if devices and devices[0].type not in {"cpu", "cuda"}:
        raise InputError(f"{caller}: tensors are on {devices[0]}", "it runs on the CPU and on CUDA")


def readable(array: Array) -> bool:
    """True if values may be read: not on a GPU, where reading means waiting, and not while torch traces."""
    return is_numpy(array) or (not torch.compiler.is_compiling() and array.device.type == "cpu")


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


def refuse_confidence(caller: str, confidence: npt.NDArray[Any]) -> None:
    """InputError that names the lowest row whose confidence `[N]` is outside [0, 1 + 1e-3]."""
    inside = (confidence >= 0) & (confidence <= PROBABILITY_CEILING)
    if bool(inside.all()):
        return
    row = int(inside.argmin())
    status = PROBABILITY if np.isfinite(confidence[row]) else NON_FINITE
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


def dtype_name(dtype: torch.dtype | np.dtype[Any]) -> str:
    """`float32` for torch.float32, and for that of numpy."""
    return str(dtype).removeprefix("torch.")
