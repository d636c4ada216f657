"""Several labels a row: each is a question of yes or no, and N rows of Q labels are judged as N x Q answers of two classes."""

from __future__ import annotations

from calibench.errors import InputError
from calibench.lazy import torch
from calibench.outputs.outputs import Outputs, check_labels

HINT = "one column of scores and one of labels (1 it has it, 0 it has not) for each question"

ONE_HOT = "that is one class a row: give class indices [N], as labels.argmax(axis=1)"


def yes_no_outputs(scores: torch.Tensor, from_probs: bool = False) -> Outputs:
    """Outputs `[N Q, 2]` over (no, yes) of one score a label, `[N, Q]`; those of row i stand at i Q .. i Q + Q - 1.

    Equation: a logit x becomes the logits (0, x), whose softmax is 1 / (1 + exp(-x)); a probability p becomes (1 - p, p).
    """
    yes = scores.reshape(-1, 1)
    no = 1 - yes if from_probs else torch.zeros_like(yes)
    return Outputs(torch.cat([no, yes], dim=1), from_probs, labels_per_sample=int(scores.shape[1]))


def label_scores(outputs: Outputs) -> torch.Tensor:
    """One score a label, `[N, Q]`: what `yes_no_outputs` takes. The logit is `x_yes - x_no`."""
    scores = outputs.scores
    yes = scores[:, 1] if outputs.from_probs else scores[:, 1] - scores[:, 0]
    return yes.reshape(-1, outputs.labels_per_sample)


def as_stored(outputs: Outputs) -> Outputs:
    """What is judged is what is stored: float32 holds logits to 1e-7 of themselves, so no confidence saturates."""
    if outputs.labels_per_sample > 1:
        return yes_no_outputs(label_scores(outputs).float(), outputs.from_probs)
    return Outputs(outputs.scores.float(), outputs.from_probs, outputs.one_vs_rest)


def checked_samples(
    scores: torch.Tensor, labels: torch.Tensor, from_probs: bool, where: str
) -> tuple[Outputs, torch.Tensor]:
    """Outputs and labels as they are judged, of one class a row (`labels [N]`) or of several labels (`[N, Q]`), checked."""
    if labels.ndim == 2:
        return check_several_labels(scores, labels, from_probs, where)
    outputs = Outputs(scores, from_probs).check(where)
    return outputs, check_labels(labels, len(outputs), outputs.num_classes, where)


def check_several_labels(
    scores: torch.Tensor, labels: torch.Tensor, from_probs: bool, where: str
) -> tuple[Outputs, torch.Tensor]:
    """`asked(scores)` and the labels `[N Q]`, if both are `[N, Q]`, sound, and the labels 0 or 1 and not all alike.

    Labels one-hot are refused: they are one class a row. Raises InputError naming `where` and the first bad row.
    """
    if scores.ndim != 2 or labels.shape != scores.shape:
        message = f"{where}: scores have shape {list(scores.shape)} and labels {list(labels.shape)}"
        raise InputError(message, HINT)
    if scores.shape[0] == 0 or scores.shape[1] < 2:
        message = f"{where}: scores have shape {list(scores.shape)}"
        raise InputError(message, "several labels a row are at least one row of two columns")
    if labels.is_floating_point() or labels.is_complex():
        raise InputError(f"{where}: labels have type {labels.dtype}", "store 0 and 1 as whole numbers")
    if not scores.is_floating_point():
        raise InputError(f"{where}: scores have type {scores.dtype}", "store floating-point numbers")
    labels = labels.long()
    _refuse(((labels != 0) & (labels != 1)).any(dim=1), where, "a label is neither 0 nor 1", HINT)
    if bool((labels.sum(dim=1) == 1).all()):
        raise InputError(f"{where}: every row has exactly one label of {labels.shape[1]}", ONE_HOT)
    _refuse(~scores.isfinite().all(dim=1), where, "a score is NaN or infinite", "drop or mend the row")
    if from_probs:
        outside = ((scores < 0) | (scores > 1)).any(dim=1)
        _refuse(outside, where, "a probability lies outside [0, 1]", "are these logits? then say so (logits=...)")
    flat = labels.reshape(-1)
    if bool((flat == flat[0]).all()):
        raise InputError(f"{where}: all labels are {int(flat[0])}", "calibration cannot be judged from one answer")
    return yes_no_outputs(scores, from_probs), flat


def _refuse(bad: torch.Tensor, where: str, what: str, hint: str) -> None:
    rows = bad.nonzero()
    if len(rows):
        more = f" (and {len(rows) - 1} more rows)" if len(rows) > 1 else ""
        raise InputError(f"{where}: row {int(rows[0])}: {what}{more}", hint)
