"""FinishedRun: the trained pipeline of a run that has ended, which predicts new rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from calibench.data.checks import check_values
from calibench.data.prepare import Data
from calibench.errors import InputError
from calibench.outputs.named_decisions import NamedDecisions, named_decisions
from calibench.outputs.several_labels import probabilities
from calibench.outputs.writers.predicted_rows import PredictedRows
from calibench.recipe.members import Members
from calibench.recipe.posthoc import PostHoc, checked
from calibench.records.record import ResultRecord
from calibench.seeds import derived_seed, seeded


@dataclass(frozen=True)
class Prediction:
    """Calibrated probabilities of N rows, and the answers to them."""

    probs: NDArray[np.float64]
    """[N, K], or `[N, Q]` if a row has Q labels."""
    decisions: NamedDecisions
    """The answers of the recipe's rule, with its sets; without a rule the most probable class of each row."""
    by_rule: bool
    """True if the recipe has a rule."""

    def with_labels(self, labels: NDArray[np.int64] | None) -> PredictedRows:
        """The rows as a file holds them: decisions if a rule made them, labels if there are any."""
        answers = self.decisions.answers if self.by_rule else None
        return PredictedRows(self.probs, labels, answers, self.decisions.sets, self.decisions.class_names)


class FinishedRun:
    """The network, head, ensemble or sampler of a run, with its fitted map and rule; made by `load_run`."""

    def __init__(self, record: ResultRecord, data: Data, members: Members, posthoc: PostHoc) -> None:
        self.record = record
        self.class_names = data.class_names
        self._data, self._members, self._posthoc = data, members, posthoc
        fitted = {entry.get("stage"): entry for entry in record.fitted}
        self._posthoc.restore([_entry_of(fitted, bound.name, record) for bound in posthoc.stages])

    def predict(self, x: Any, *, adapt: bool = False) -> Prediction:
        """Calibrated probabilities and decisions of rows `x [N, ...]`, prepared as the data's own rows were.

        The rows of test get their stored probabilities again, but for samplers and rules that draw: their draws begin anew from
        the run's seed, so that equal rows get equal answers. A calibrator that takes values from unlabelled rows keeps those of
        test, or with `adapt` takes them from `x`. Raises InputError for rows that the network cannot take.
        """
        rows = self._checked(x)
        outputs = checked(self._members.outputs_of({"test": rows})["test"], f"{self.record.recipe}, these rows")
        kept: dict[str, dict[str, Any]] = {bound.name: {} for bound, _ in self._posthoc.calibrators}
        with seeded(derived_seed(self._members.seeds["posthoc"], "predict")):
            calibrated, decisions = self._posthoc.judged(outputs, adapted=None if adapt else kept)
        names = self.class_names or None
        made = named_decisions(calibrated, decisions, None, names)
        return Prediction(probabilities(calibrated), made, decisions is not None)

    def checked_labels(self, y: Any, n: int) -> NDArray[np.int64] | None:
        """Labels of n rows: classes `[N]`, or `[N, Q]` of 0 and 1; None stays None. InputError if they do not fit the run's."""
        if y is None:
            return None
        labels, shape = np.asarray(y), (n, *self._data.train.y.shape[1:])
        classes = 2 if len(shape) > 1 else self._data.num_classes
        if labels.shape != shape or labels.dtype.kind not in "iub":
            message = f"y has shape {list(labels.shape)} and type {labels.dtype}"
            raise InputError(message, f"these rows take whole numbers of shape {list(shape)}, or no y")
        if ((labels < 0) | (labels >= classes)).any():
            raise InputError(f"y has labels outside 0 .. {classes - 1}", "give the classes of the run, or no y")
        return labels.astype(np.int64)

    def _checked(self, x: Any) -> NDArray[np.float32]:
        array, expected = _array_of(x), self._data.train.x.shape[1:]
        if array.shape[1:] != expected or array.ndim == 0 or len(array) == 0:
            message = f"x has shape {list(array.shape)}, and this run takes rows [N, {', '.join(map(str, expected))}]"
            raise InputError(
                message, "one row a sample, as in the data of the run; x[None] makes one row of one sample"
            )
        return check_values(array, "x")


def _array_of(x: Any) -> NDArray[Any]:
    """Rows as an array. InputError for rows of different lengths, and for a mask, which would be lost."""
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu()
        array: NDArray[Any] = (x.float() if x.dtype == torch.bfloat16 else x).numpy()
        return array
    if isinstance(x, np.ma.MaskedArray):
        raise InputError("x: a masked array would lose its mask", "leave out the rows that are masked")
    try:
        return np.asarray(x)
    except ValueError as error:
        raise InputError(f"x: {error}", "give an array, a tensor or nested lists of numbers") from None


def _entry_of(fitted: Mapping[Any, dict[str, Any]], stage: str, record: ResultRecord) -> dict[str, Any]:
    """The learned values of a stage; InputError if the record has none."""
    if stage not in fitted:
        message = f"run {record.run_id} does not state what {stage} learned"
        raise InputError(message, "make it again: repeat the run with --force (force=True)")
    return fitted[stage]
