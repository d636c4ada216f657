"""Outputs: what a network or calibrator says about each sample, as logits or as probabilities; the seam between stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calibench.errors import InputError
from calibench.lazy import torch

PROBABILITY_FLOOR = 1e-30
"""Logits from probabilities are log(max(p, 1e-30)): the clip moves a fitted temperature in the fourth digit, so it is fixed."""

ABSTAIN = -1
"""The decision "I do not say"."""

SUM_TOLERANCE = 1e-3
"""A row of probabilities must sum to 1 within this, which admits float16 and tables printed with four digits."""


@dataclass(frozen=True)
class Outputs:
    """Scores `[N, K]` in float64, float32, bfloat16 or float16: logits, or probabilities if `from_probs`."""

    scores: torch.Tensor
    from_probs: bool = False
    one_vs_rest: bool = False
    """Logits of one sigmoid a class, as `bce` trains them: p_k = sigmoid(x_k) / sum over j of sigmoid(x_j)."""
    labels_per_sample: int = 1
    """Q > 1 where a sample has Q labels: rows i Q .. i Q + Q - 1 are its answers over (no, yes); see `several_labels.py`."""

    def __len__(self) -> int:
        return int(self.scores.shape[0])

    @property
    def num_classes(self) -> int:
        """K, the number of columns."""
        return int(self.scores.shape[1])

    def logits(self) -> torch.Tensor:
        """Logits `[N, K]` in float64; from probabilities `log(max(p, 1e-30))`, from one against the rest `log sigmoid(x)`."""
        scores = self.scores.double()
        if self.one_vs_rest:
            return torch.nn.functional.logsigmoid(scores)
        return scores.clamp_min(PROBABILITY_FLOOR).log() if self.from_probs else scores

    def probs(self) -> torch.Tensor:
        """Probabilities `[N, K]` in float64; from logits `softmax`."""
        return self.scores.double() if self.from_probs else self.logits().softmax(dim=1)

    def plain(self) -> Outputs:
        """Itself, or what softmax turns into the same probabilities where the scores stand one against the rest."""
        return Outputs(self.logits(), labels_per_sample=self.labels_per_sample) if self.one_vs_rest else self

    def check(self, where: str) -> Outputs:
        """Itself if it is `[N, K]` with N >= 1, K >= 2, finite, and (probabilities) in [0, 1] with rows summing to 1 +- 1e-3.

        Raises InputError naming `where` and the first bad row.
        """
        scores = self.scores
        kind = "probabilities" if self.from_probs else "logits"
        if scores.ndim != 2:
            raise InputError(f"{where}: {kind} have shape {list(scores.shape)}, not [N, K]", _SHAPE_HINT)
        if scores.shape[0] == 0:
            raise InputError(f"{where}: there are no rows", "give at least one sample")
        if scores.shape[1] < 2:
            raise InputError(f"{where}: {kind} have one class (shape {list(scores.shape)})", _SHAPE_HINT)
        if not scores.is_floating_point():
            raise InputError(f"{where}: {kind} have type {scores.dtype}", "store floating-point numbers")
        _refuse_rows(~torch.isfinite(scores).all(dim=1), where, f"{kind} are NaN or infinite", "drop or mend the row")
        if self.from_probs:
            outside = (scores < 0).any(dim=1) | (scores > 1 + SUM_TOLERANCE).any(dim=1)
            _refuse_rows(
                outside, where, "probabilities lie outside [0, 1]", "are these logits? then say so (logits=...)"
            )
            off = (scores.double().sum(dim=1) - 1).abs() > SUM_TOLERANCE
            hint = "are these logits? Of several labels a row, give the labels as [N, Q] of 0 and 1, too"
            _refuse_rows(off, where, f"probabilities do not sum to 1 within {SUM_TOLERANCE:g}", hint)
        return self


def average(parts: Sequence[Outputs], combine: str) -> Outputs:
    """One set of outputs of several: `probs` averages probabilities, `logits` log-probabilities (their softmax follows).

    Equation: p = mean_s p_s, or p proportional to exp(mean_s ln p_s), a product of experts. In float64.
    """
    labels_per_sample = parts[0].labels_per_sample
    if combine == "probs":
        return Outputs(
            torch.stack([part.probs() for part in parts]).mean(dim=0),
            from_probs=True,
            labels_per_sample=labels_per_sample,
        )
    logits = torch.stack([part.logits().log_softmax(dim=1) for part in parts]).mean(dim=0)
    return Outputs(logits, labels_per_sample=labels_per_sample)


_SHAPE_HINT = "one column per class; for a binary probability p store [1 - p, p]"


def _refuse_rows(bad: torch.Tensor, where: str, what: str, hint: str) -> None:
    rows = bad.nonzero()
    if len(rows):
        more = f" (and {len(rows) - 1} more rows)" if len(rows) > 1 else ""
        raise InputError(f"{where}: row {int(rows[0])}: {what}{more}", hint)


def check_labels(labels: torch.Tensor, num_rows: int, num_classes: int, where: str) -> torch.Tensor:
    """Labels `[N]` as int64 if they are N whole numbers in [0, K) of at least two classes; InputError naming the first bad row."""
    if labels.ndim != 1:
        raise InputError(f"{where}: labels have shape {list(labels.shape)}, not [N]", "one class index per row")
    if len(labels) != num_rows:
        raise InputError(f"{where}: {num_rows} rows of scores and {len(labels)} labels", "they must be of one length")
    if labels.is_floating_point() or labels.dtype == torch.bool or labels.is_complex():
        raise InputError(f"{where}: labels have type {labels.dtype}", "store whole numbers 0 .. K-1")
    labels = labels.long()
    hint = f"class indices run from 0 to {num_classes - 1}"
    _refuse_rows((labels < 0) | (labels >= num_classes), where, f"the label is outside [0, {num_classes})", hint)
    if len(labels) > 1 and bool((labels == labels[0]).all()):
        message = f"{where}: all {len(labels)} labels are class {int(labels[0])}"
        raise InputError(message, "calibration cannot be judged from one class; is this the label column?")
    return labels
