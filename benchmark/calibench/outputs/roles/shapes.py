"""Scores of more than two axes: members of an ensemble, pixels, tokens; and rows with fewer choices than others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.columns import Columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_CHOICES = 2

PADDED_LOGIT = 1e4
"""A choice that a row does not have lies so far below its largest logit: its probability is exactly 0 in float64."""


class Rows(NamedTuple):
    """Scores `[N, K]` or `[N]`, labels `[N, ...]`, and sentences for the user."""

    scores: NDArray[Any]
    labels: NDArray[Any] | None
    notes: tuple[str, ...] = ()


def as_rows(
    scores: NDArray[Any], labels: NDArray[Any] | None, from_probs: bool, columns: Columns, path: object
) -> Rows:
    """The same samples as rows: members are combined, and the axis of the classes becomes the last.

    Scores `[M, N, K]` beside labels `[N]` are M members. Scores with one axis more than labels of two axes or more, as
    `[B, K, H, W]` beside `[B, H, W]`, have the classes on that axis. InputError where the shapes do not tell.
    """
    kind = "probabilities" if from_probs else "logits"
    if scores.ndim < 3:
        if columns.combine is not None or columns.member is not None:
            raise InputError(f"{path}: {kind} have shape {list(scores.shape)}: no members", "leave out --combine")
        return Rows(scores, labels)
    if (labels is None and columns.class_axis is None) or (labels is not None and labels.ndim == 1):
        return _combined(scores, labels, from_probs, columns, path)
    axis = _class_axis(scores.shape, None if labels is None else labels.shape, columns.class_axis, path)
    rows = np.moveaxis(scores, axis, -1).reshape(-1, scores.shape[axis])
    note = f"scores {list(scores.shape)} are {len(rows)} samples: the classes lie on axis {axis}; neighbours count as independent"
    return Rows(rows, None if labels is None else labels.reshape(-1), (note,))


def _class_axis(shape: tuple[int, ...], of_labels: tuple[int, ...] | None, asked: int | None, path: object) -> int:
    """The axis whose removal leaves the shape of the labels."""
    if asked is not None and not -len(shape) <= asked < len(shape):
        raise InputError(f"{path}: scores of shape {list(shape)} have no axis {asked}", f"use 0 .. {len(shape) - 1}")
    fitting = [axis for axis in range(len(shape)) if of_labels is None or shape[:axis] + shape[axis + 1 :] == of_labels]
    if asked is not None and asked % len(shape) in fitting:
        return asked % len(shape)
    if asked is not None or not fitting:
        message = f"{path}: scores have shape {list(shape)} and labels {list(of_labels or ())}"
        hint = "labels have the shape of the scores without the axis of the classes"
        if of_labels == shape:
            hint = f"{hint}: labels.argmax(AXIS) of one-hot ones; of one probability a pixel, reshape(-1) of both"
        raise InputError(message, hint)
    if len(fitting) > 1:
        message = (
            f"{path}: scores have shape {list(shape)}: the classes may lie on axis {' or '.join(map(str, fitting))}"
        )
        raise InputError(message, f"say which: --class-axis {fitting[0]}")
    return fitting[0]


def _combined(
    scores: NDArray[Any], labels: NDArray[Any] | None, from_probs: bool, columns: Columns, path: object
) -> Rows:
    kind = "probabilities" if from_probs else "logits"
    if scores.ndim != 3 or (columns.combine is None and columns.member is None):
        hint = (
            "members of an ensemble? --combine mean, logit-mean or each"
            if scores.ndim == 3
            else "give one column per class"
        )
        raise InputError(f"{path}: {kind} have shape {list(scores.shape)}, not [N, K]", hint)
    if labels is not None and scores.shape[1] != len(labels):
        message = f"{path}: {kind} have shape {list(scores.shape)}, and there are {len(labels)} labels"
        raise InputError(message, "members come first: [M, N, K]")
    members = len(scores)
    if columns.member is not None:
        return Rows(scores[columns.member], labels, (f"member {columns.member} of {members}",))
    if columns.combine == "each":
        raise InputError(f"{path}: its {members} members are no one classifier", "--combine mean or logit-mean")
    mean, what = mean_of_members(scores, from_probs, columns.combine == "logit-mean")
    return Rows(mean, labels, (f"{members} members are combined: {what}",))


def mean_of_members(scores: NDArray[Any], from_probs: bool, of_logits: bool) -> tuple[NDArray[np.float64], str]:
    """The mean of members `[M, N, K]` in their own kind, in float64, and what it is.

    Of probabilities `p = mean_m p_m`, given as logits `ln p` for members of logits; or `p` proportional to `exp(mean_m ln p_m)`.
    """
    values = scores.astype(np.float64)
    if of_logits:
        logs = np.log(np.maximum(values, 1e-30)) if from_probs else _log_softmax(values)
        mean = _log_softmax(logs.mean(axis=0))
        return (np.exp(mean) if from_probs else mean), "the mean of log-probabilities"
    probs = values if from_probs else np.exp(_log_softmax(values))
    mean = probs.mean(axis=0)
    return (mean if from_probs else np.log(np.maximum(mean, 1e-300))), "the mean of probabilities"


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    below = logits - logits.max(axis=-1, keepdims=True)
    result: NDArray[np.float64] = below - np.log(np.exp(below).sum(axis=-1, keepdims=True))
    return result


def without_padding(
    scores: NDArray[Any], from_probs: bool, labels: Any, path: object, nan: bool = True
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Scores `[N, K]` whose rows have fewer choices, filled with -inf or NaN at their end: the filling gets probability 0.

    Without `nan`, a NaN is a missing score, as in a table with a column a class. Rows whose other scores are not finite stay as
    they are. InputError for a label among the filling.
    """
    filled = np.isneginf(scores) | (np.isnan(scores) & nan)
    if scores.shape[1] <= FEWEST_CHOICES or not filled.any():
        return scores, ()
    choices = scores.shape[1] - filled.sum(axis=1)
    at_end = filled == (np.arange(scores.shape[1])[None, :] >= choices[:, None])
    if not at_end.all() or choices.min() < FEWEST_CHOICES or not np.isfinite(scores[~filled]).all():
        return scores, ()
    if labels is not None:
        beyond = np.flatnonzero((labels >= choices) & (labels < scores.shape[1]))
        if len(beyond):
            row = int(beyond[0])
            message = f"{path}: row {row}: the label is {int(labels[row])}, and the row has {int(choices[row])} choices"
            raise InputError(message, "the other scores of the row are -inf or NaN")
    values = scores.astype(np.float64)
    lowest = 0.0 if from_probs else np.where(filled, -np.inf, values).max(axis=1, keepdims=True) - PADDED_LOGIT
    values = np.where(filled, lowest, values)
    note = f"rows have {int(choices.min())} to {int(choices.max())} choices: -inf and NaN at the end of a row are no choices"
    return values, (note,)
