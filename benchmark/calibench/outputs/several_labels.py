"""Samples with several labels: each label is a yes-no question, so N samples of Q labels are judged as N x Q binary answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.lazy import torch
from calibench.outputs.arrays import Labels, as_array, is_finite, is_floating, side_by_side, to_int64
from calibench.outputs.outputs import LOGITS_HINT, Outputs, check_labels
from calibench.outputs.refuse_rows import refuse_rows
from calibench.outputs.stored_outputs import outputs_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPE_HINT = "give scores and labels as [N, Q], one column per label: 1 if the sample has it, 0 if not"

ONE_HOT_HINT = "that is one class per row: give class indices [N], as labels.argmax(axis=1)"


def yes_no_outputs(scores: Any, from_probs: bool = False) -> Outputs:
    """Outputs `[N Q, 2]` over (no, yes) from one score per label, `[N, Q]`; rows i Q .. i Q + Q - 1 are those of sample i.

    A logit x becomes the logits (0, x), whose softmax is 1 / (1 + exp(-x)). A probability p becomes (1 - p, p).
    """
    yes = scores.reshape(-1, 1)
    no = 1 - yes if from_probs else 0 * yes
    return outputs_of(side_by_side(no, yes), from_probs, int(scores.shape[1]))


def label_scores(outputs: Outputs) -> torch.Tensor:
    """One score per label, `[N, Q]`: the inverse of `yes_no_outputs`. A logit is `x_yes - x_no`."""
    scores: torch.Tensor = yes_scores(outputs.scores, outputs.from_probs, outputs.labels_per_sample)
    return scores


def yes_scores(scores: Any, from_probs: bool, labels_per_sample: int) -> Any:
    """`label_scores` of scores `[N Q, 2]`, a tensor or an array."""
    yes = scores[:, 1] if from_probs else scores[:, 1] - scores[:, 0]
    return yes.reshape(-1, labels_per_sample)


def probabilities(outputs: Outputs) -> NDArray[Any]:
    """The probabilities in float64, as an array: `[N, K]`, or `[N, Q]` if a sample has Q labels."""
    probs = as_array(outputs.probs())
    return probs if outputs.labels_per_sample == 1 else probs[:, 1].reshape(-1, outputs.labels_per_sample)


def round_to_float32(outputs: Outputs) -> Outputs:
    """The outputs rounded to float32, as records store them, so that the judged outputs are the stored ones.

    float32 logits are exact to 1e-7 relative, so no confidence saturates.
    """
    if outputs.labels_per_sample > 1:
        return yes_no_outputs(label_scores(outputs).float(), outputs.from_probs)
    return Outputs(outputs.scores.float(), outputs.from_probs, outputs.one_vs_rest)


def check_samples(scores: Any, labels: Any, from_probs: bool, where: str) -> tuple[Outputs, Labels]:
    """Outputs and labels to judge, checked, of two tensors or two arrays.

    `labels` are `[N]` (one class per row) or `[N, Q]` (several labels per row).
    """
    if labels.ndim == 2:
        return check_several_labels(scores, labels, from_probs, where)
    outputs = outputs_of(scores, from_probs).check(where)
    return outputs, check_labels(labels, len(outputs), outputs.num_classes, where)


def check_several_labels(scores: Any, labels: Any, from_probs: bool, where: str) -> tuple[Outputs, Labels]:
    """`yes_no_outputs(scores)` and the labels `[N Q]`, if scores and labels are sound `[N, Q]`, Q >= 2.

    Labels are 0 or 1, and not all alike. One-hot labels are refused: they are one class per row. Raises InputError naming
    `where` and the first bad row.
    """
    _check_shapes(scores, labels, where)
    if is_floating(labels) or "complex" in str(labels.dtype):
        raise InputError(f"{where}: labels have type {labels.dtype}", "store 0 and 1 as whole numbers")
    if not is_floating(scores):
        raise InputError(f"{where}: scores have type {scores.dtype}", "store floating-point numbers")
    labels = to_int64(labels)
    refuse_rows(((labels != 0) & (labels != 1)).any(axis=1), where, "a label is neither 0 nor 1", SHAPE_HINT)
    if bool((labels.sum(axis=1) == 1).all()):
        raise InputError(f"{where}: every row has exactly one label of {labels.shape[1]}", ONE_HOT_HINT)
    refuse_rows(~is_finite(scores).all(axis=1), where, "a score is NaN or infinite", "drop or correct the row")
    if from_probs:
        outside = ((scores < 0) | (scores > 1)).any(axis=1)
        refuse_rows(outside, where, "a probability lies outside [0, 1]", LOGITS_HINT)
    flat = labels.reshape(-1)
    if bool((flat == flat[0]).all()):
        raise InputError(f"{where}: all labels are {int(flat[0])}", "calibration cannot be judged from one answer")
    return yes_no_outputs(scores, from_probs), flat


def _check_shapes(scores: Any, labels: Any, where: str) -> None:
    if scores.ndim != 2 or labels.shape != scores.shape:
        message = f"{where}: scores have shape {list(scores.shape)} and labels {list(labels.shape)}"
        raise InputError(message, SHAPE_HINT)
    if scores.shape[0] == 0 or scores.shape[1] < 2:
        message = f"{where}: scores have shape {list(scores.shape)}"
        raise InputError(message, "give at least one row; several labels are at least two columns")
