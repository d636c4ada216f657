"""Outputs: the logits or probabilities of a network or calibrator. Every stage hands them to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from calibench.errors import InputError
from calibench.lazy import torch
from calibench.moved import renamed
from calibench.outputs.arrays import Labels, as_array, is_finite, is_floating, is_whole, row_sums, to_int64
from calibench.outputs.refuse_rows import refuse_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROBABILITY_FLOOR = 1e-30
"""Logits from probabilities are log(max(p, 1e-30)). The clip moves a fitted temperature in the fourth digit, so it is fixed."""

ABSTAIN = -1
"""The decision to give no class."""

SUM_TOLERANCE = 1e-3
"""A row of probabilities must sum to 1 within this: enough for float16, and for tables printed with four digits."""

LOGITS_HINT = "are these logits? then pass them as logits (logits=... or --logits NAME)"

_SHAPE_HINT = "give one column per class; for a binary probability p store [1 - p, p]"


@dataclass(frozen=True)
class Outputs:
    """Scores `[N, K]` in float64, float32, bfloat16 or float16: logits, or probabilities if `from_probs`."""

    scores: torch.Tensor
    from_probs: bool = False
    one_vs_rest: bool = False
    """True for logits of one sigmoid a class, as `bce` trains them: p_k = sigmoid(x_k) / sum over j of sigmoid(x_j)."""
    labels_per_sample: int = 1
    """Q > 1 if a sample has Q labels: rows i Q .. i Q + Q - 1 are its answers over (no, yes); see `several_labels.py`."""

    top_label_only: ClassVar[bool] = False
    """True if only the confidence of each answer is known: `top_label.py`."""

    questions = renamed("questions", "labels_per_sample")

    def __len__(self) -> int:
        return int(self.scores.shape[0])

    @property
    def num_classes(self) -> int:
        """K, the number of columns."""
        return int(self.scores.shape[1])

    @property
    def given(self) -> Any:
        """The scores as they came: a tensor, or the array of `StoredOutputs`."""
        return self.scores

    @property
    def array(self) -> NDArray[Any] | None:
        """The scores as an array on the CPU, which shares their memory; None for bfloat16, which numpy does not have."""
        return None if self.scores.dtype == torch.bfloat16 else as_array(self.scores)

    def logits(self) -> torch.Tensor:
        """Logits `[N, K]` in float64: `log(max(p, 1e-30))` of probabilities, `log sigmoid(x)` of one-vs-rest logits."""
        scores = self.scores.double()
        if self.one_vs_rest:
            return torch.nn.functional.logsigmoid(scores)
        return scores.clamp_min(PROBABILITY_FLOOR).log() if self.from_probs else scores

    def probs(self) -> torch.Tensor:
        """Probabilities `[N, K]` in float64: the softmax of logits."""
        return self.scores.double() if self.from_probs else self.logits().softmax(dim=1)

    def plain(self) -> Outputs:
        """The same outputs as softmax logits: unchanged, or log-sigmoids if the scores are one sigmoid a class."""
        return Outputs(self.logits(), labels_per_sample=self.labels_per_sample) if self.one_vs_rest else self

    def check(self, where: str, first: int | None = None) -> Outputs:
        """These outputs, if they are sound: `[N, K]` with N >= 1 and K >= 2, and finite.

        Probabilities must also lie in [0, 1] and sum to 1 +- 1e-3 in each row. Raises InputError naming `where` and the
        first bad row. `first` is the number of the first row, if these rows are a block of a larger file.
        """
        scores = self.given
        kind = "probabilities" if self.from_probs else "logits"
        if scores.ndim != 2:
            raise InputError(f"{where}: {kind} have shape {list(scores.shape)}, not [N, K]", _SHAPE_HINT)
        if scores.shape[0] == 0:
            raise InputError(f"{where}: there are no rows", "give at least one sample")
        if scores.shape[1] < 2:
            raise InputError(f"{where}: {kind} have one class (shape {list(scores.shape)})", _SHAPE_HINT)
        if not is_floating(scores) or scores.dtype.itemsize > 8:
            raise InputError(f"{where}: {kind} have type {scores.dtype}", "store floating-point numbers")
        finite = is_finite(scores).all(axis=1)
        refuse_rows(~finite, where, f"{kind} are NaN or infinite", "drop or correct the row", first)
        if self.from_probs:
            _check_probabilities(scores, where, first)
        return self


def _check_probabilities(probs: Any, where: str, first: int | None) -> None:
    outside = (probs < 0).any(axis=1) | (probs > 1 + SUM_TOLERANCE).any(axis=1)
    refuse_rows(outside, where, "probabilities lie outside [0, 1]", LOGITS_HINT, first)
    off = abs(row_sums(probs) - 1) > SUM_TOLERANCE
    hint = f"{LOGITS_HINT}; if a row has several labels, give the labels as [N, Q] of 0 and 1"
    refuse_rows(off, where, f"probabilities do not sum to 1 within {SUM_TOLERANCE:g}", hint, first)


def average(parts: Sequence[Outputs], combine: str) -> Outputs:
    """The mean of several outputs of the same rows, in float64.

    `combine="probs"` averages probabilities: p = mean_s p_s. `combine="logits"` averages log-probabilities and returns
    them as logits: p is proportional to exp(mean_s ln p_s), a product of experts.
    """
    labels_per_sample = parts[0].labels_per_sample
    if combine == "probs":
        probs = torch.stack([part.probs() for part in parts]).mean(dim=0)
        return Outputs(probs, from_probs=True, labels_per_sample=labels_per_sample)
    logits = torch.stack([part.logits().log_softmax(dim=1) for part in parts]).mean(dim=0)
    return Outputs(logits, labels_per_sample=labels_per_sample)


def check_labels(labels: Any, num_rows: int, num_classes: int, where: str) -> Labels:
    """Labels `[N]`, a tensor or an array, as int64, if they are N whole numbers in [0, K) and not all one class.

    Raises InputError naming `where` and the first bad row. A single label (N = 1) is accepted.
    """
    if labels.ndim != 1:
        raise InputError(f"{where}: labels have shape {list(labels.shape)}, not [N]", "give one class index per row")
    if len(labels) != num_rows:
        raise InputError(f"{where}: {num_rows} rows of scores and {len(labels)} labels", "give one label per row")
    if not is_whole(labels):
        raise InputError(f"{where}: labels have type {labels.dtype}", "store whole numbers 0 .. K-1")
    checked: Labels = to_int64(labels)
    check_classes(checked, num_classes, where)
    if len(checked) > 1 and bool((checked == checked[0]).all()):
        refuse_one_class(len(checked), int(checked[0]), where)
    return checked


def check_classes(labels: Any, num_classes: int, where: str, first: int | None = None) -> None:
    """InputError naming the first of `labels [N]` outside [0, K); `first` as in `Outputs.check`."""
    hint = f"class indices run from 0 to {num_classes - 1}"
    refuse_rows((labels < 0) | (labels >= num_classes), where, f"the label is outside [0, {num_classes})", hint, first)


def refuse_one_class(n: int, label: int, where: str) -> NoReturn:
    """InputError, since all of n labels are `label`."""
    message = f"{where}: all {n} labels are class {label}"
    raise InputError(message, "calibration cannot be judged from one class; is this the label column?")
