"""The scores that a caller gives a map: checked, of the map's kind, width and order of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.lazy import np
from calibench.maps.document import MapDocument, width
from calibench.outputs.arrays import as_array, is_tensor
from calibench.outputs.outputs import SUM_TOLERANCE, Outputs
from calibench.outputs.several_labels import yes_no_outputs
from calibench.outputs.stored_outputs import StoredOutputs
from calibench.outputs.top_label import refuse_top_label

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_ROWS = 3
"""So many rows of logits that all could be probabilities are no chance."""


def score_array(scores: Any) -> NDArray[Any]:
    """Scores as an array of floating-point numbers `[N, K]`; one row `[K]` becomes `[1, K]`. InputError for anything else."""
    if is_tensor(scores):
        tensor = scores.detach().cpu()
        array = as_array(tensor.float() if "bfloat16" in str(tensor.dtype) else tensor)
    else:
        try:
            array = np.asarray(scores)
        except ValueError as error:
            raise InputError(f"scores: {error}", "give an array, a tensor or nested lists of numbers") from None
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise InputError(f"scores have type {array.dtype}", "give floating-point numbers")
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    return array[None] if array.ndim == 1 else array


def checked_outputs(document: MapDocument, array: NDArray[Any], where: str = "scores") -> Outputs:
    """The outputs of `array [N, K]`, or `[N, Q]` for Q labels a sample, if the map can take them."""
    columns = width(document)
    if array.ndim != 2 or array.shape[1] != columns:
        unit = "labels a sample" if document.labels_per_sample > 1 else "classes"
        message = f"{where} have shape {list(array.shape)}, and the map was fitted on {columns} {unit}"
        raise InputError(message, f"give [N, {columns}], one column for each of {named(document)}")
    from_probs = document.scores == "probs"
    if document.labels_per_sample > 1:
        return _several(array, from_probs, where)
    if not from_probs and looks_like_probabilities(array):
        raise wrong_kind(where, "probs", document)
    return StoredOutputs(array, from_probs).check(where)


def _several(array: NDArray[Any], from_probs: bool, where: str) -> Outputs:
    if not np.isfinite(array).all():
        raise InputError(f"{where} hold NaN or infinity", "drop or correct the rows")
    if from_probs and ((array < 0) | (array > 1)).any():
        raise InputError(
            f"{where} are no probabilities: some lie outside [0, 1]", "the map was fitted on probabilities"
        )
    return yes_no_outputs(array, from_probs)


def refuse_other_outputs(document: MapDocument, outputs: Outputs, where: str) -> None:
    """InputError unless outputs of a file have the map's kind of scores, classes and labels a sample."""
    refuse_top_label(outputs, f"{where}: a map")
    if outputs.labels_per_sample != document.labels_per_sample:
        message = f"{where}: {outputs.labels_per_sample} labels a sample, and the map was fitted on "
        raise InputError(message + str(document.labels_per_sample), "give outputs of the classifier of the map")
    if outputs.num_classes != document.classes:
        message = f"{where}: {outputs.num_classes} classes, and the map was fitted on {document.classes}"
        raise InputError(message, f"give outputs of the classifier of the map, whose classes are {named(document)}")
    given = "probs" if outputs.from_probs else "logits"
    array = outputs.array
    if given == "logits" and array is not None and outputs.labels_per_sample == 1 and looks_like_probabilities(array):
        given = "probs"
    if given != document.scores:
        raise wrong_kind(where, given, document)


def wrong_kind(where: str, given: str, document: MapDocument) -> InputError:
    """The error for logits given to a map of probabilities, or the reverse."""
    kinds = {"logits": "logits", "probs": "probabilities"}
    message = f"{where}: these are {kinds[given]}, and the map was fitted on {kinds[document.scores]}"
    way = "logits" if document.scores == "logits" else "their softmax"
    return InputError(message, f"give {way}, or fit a map on {kinds[given]}")


def looks_like_probabilities(array: NDArray[Any]) -> bool:
    """True if at least three rows are given and every one could be probabilities, which logits never are."""
    if len(array) < FEWEST_ROWS or not np.isfinite(array).all() or float(array.min()) < 0 or float(array.max()) > 1:
        return False
    return float(np.abs(array.sum(axis=1, dtype=np.float64) - 1).max()) <= SUM_TOLERANCE


def named(document: MapDocument) -> str:
    """The classes in order, for messages."""
    names = document.class_names
    if names is None:
        return f"0 .. {width(document) - 1}"
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:12])} and {len(names) - 12} more"
