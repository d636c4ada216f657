"""Samples and numbers that a program gives: arrays, tensors or nested lists, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calibench.errors import InputError
from calibench.evaluation.cross_fit import Samples
from calibench.lazy import np
from calibench.outputs.arrays import as_array, as_tensor, is_tensor, to_float64
from calibench.outputs.roles.class_names import ClassNames, listed
from calibench.outputs.roles.label_values import class_indices
from calibench.outputs.several_labels import check_samples


def samples_given(
    logits: Any, probs: Any, labels: Any, prefix: str, class_names: Sequence[str] | None = None
) -> Samples:
    """Outputs and labels, of arguments whose names begin with `prefix`; labels may be words of `class_names`.

    InputError naming the argument, or the first bad row.
    """
    if (logits is None) == (probs is None):
        raise InputError(f"give {prefix}logits or {prefix}probs, one of them", "as evaluate(logits=z, labels=y)")
    if labels is None:
        raise InputError(f"{prefix}labels are missing", "as evaluate(logits=z, labels=y)")
    name = f"{prefix}{'probs' if logits is None else 'logits'}"
    scores = _given(probs if logits is None else logits, name)
    truth = _labels_given(labels, f"{prefix}labels", scores, class_names)
    truth = as_tensor(truth) if is_tensor(scores) else as_array(truth)
    return check_samples(scores, truth, logits is None, name)


def _labels_given(labels: Any, name: str, scores: Any, class_names: Sequence[str] | None) -> Any:
    """Labels as numbers: words find their class among `class_names`, and whole numbers too where classes are named by numbers."""
    if class_names is not None and scores.ndim == 2 and len(class_names) != scores.shape[1]:
        message = f"{len(class_names)} class_names for {scores.shape[1]} columns of scores"
        raise InputError(message, "name every class, in the order of the columns")
    words = to_float64(labels) if is_tensor(labels) and labels.ndim == 1 and class_names is not None else labels
    words = None if is_tensor(words) else _listed_labels(words, name)
    if words is None or words.ndim != 1 or (words.dtype.kind not in "OSU" and class_names is None):
        return _given(labels, name)
    if class_names is None:
        raise InputError(f"{name} are words", "give class_names, the class of each column of the scores")
    names = ClassNames(tuple(class_names))
    try:
        return class_indices(words, names, scores.shape[1], name, "the label").labels
    except InputError as error:  # its hint names options of the command line
        numbers = "" if names.numbered else f"whole numbers from 0 to {len(class_names) - 1}, or "
        raise InputError(error.message, f"labels are {numbers}words of class_names: {listed(class_names)}") from None


def _listed_labels(labels: Any, name: str) -> Any:
    """Labels as an array; InputError for lists of different lengths."""
    try:
        return np.asarray(labels)
    except ValueError as error:
        raise InputError(f"{name}: {error}", "give one label a sample") from None


def numbers_given(values: Any, name: str) -> Any:
    """Real numbers in float64."""
    given = _given(values, name)
    if "complex" in str(given.dtype):
        raise InputError(f"{name} are complex numbers", "give real ones")
    return to_float64(given)


def _given(values: Any, name: str) -> Any:
    """A tensor on the CPU, or an array in the byte order of this machine."""
    if is_tensor(values):
        return _dense(values, name)
    if isinstance(values, np.ma.MaskedArray):
        raise InputError(f"{name}: a masked array would lose its mask", "leave out the rows that are masked")
    try:
        array = np.array(values)
        if array.dtype.kind not in "biufc":
            raise TypeError(f"numbers of type {array.dtype} cannot be judged")
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: {error}", "give an array, a tensor or nested lists of numbers") from None


def _dense(tensor: Any, name: str) -> Any:
    """The numbers of a tensor on the CPU; InputError for a tensor without any, and for kinds that cannot be judged."""
    if tensor.device.type == "meta":
        raise InputError(f"{name}: a tensor on the meta device has no numbers", "move it to the CPU with its numbers")
    if "strided" not in str(tensor.layout):
        raise InputError(f"{name}: a tensor of layout {tensor.layout} cannot be judged", "call to_dense() on it")
    if tensor.is_floating_point() and tensor.element_size() == 1:
        raise InputError(f"{name} have type {tensor.dtype}", "use float16, bfloat16, float32 or float64")
    return tensor.detach().cpu()
