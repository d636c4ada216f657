"""Decisions: what a decision rule says about each sample, by what score, and what it promised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from calibench.errors import InputError
from calibench.lazy import torch
from calibench.outputs.outputs import ABSTAIN


@dataclass(frozen=True)
class Decisions:
    """Answers for N samples of K classes, and what else is known of them; a rule that only answers may return `answers`.

    `targets` names metrics and the figure each was promised, as `{"selective_risk": 0.02}`; the record says whether test
    reached it.
    """

    answers: torch.Tensor
    """[N] whole numbers: a class, or -1 to abstain."""
    sets: torch.Tensor | None = None
    """[N, K] bool, the classes that are not ruled out."""
    uncertainty: torch.Tensor | None = None
    """[N], least where the rule is surest: what it abstains by. None is the tail, as in Judged, that ranks by max-softmax."""
    score: str = "max-softmax"
    """What `uncertainty` measures."""
    costs: torch.Tensor | None = None
    """[K, K] or [K, K + 1], the cost of each answer (column; the last is abstention) to each true class (row)."""
    targets: Mapping[str, float] = field(default_factory=dict)

    def cpu(self) -> Decisions:
        """The same in the CPU's memory, answers as int64 and doubts as float64."""
        return Decisions(
            answers=self.answers.cpu() if self.answers.is_floating_point() else self.answers.cpu().long(),
            sets=None if self.sets is None else self.sets.cpu(),
            uncertainty=None if self.uncertainty is None else self.uncertainty.detach().cpu().double(),
            score=self.score,
            costs=None if self.costs is None else self.costs.cpu().double(),
            targets=self.targets,
        )

    def check(self, num_rows: int, num_classes: int) -> Decisions:
        """Itself if its shapes, types and values fit N rows and K classes; InputError naming the first bad row."""
        answers = self.answers
        whole = not (answers.is_floating_point() or answers.is_complex() or answers.dtype == torch.bool)
        if answers.shape != (num_rows,) or not whole:
            message = (
                f"decisions have shape {list(answers.shape)} and type {answers.dtype}, not [{num_rows}] whole numbers"
            )
            raise InputError(message, "one class per row, -1 to abstain")
        bad = ((answers < ABSTAIN) | (answers >= num_classes)).nonzero()
        if len(bad):
            message = f"row {int(bad[0])}: decision {int(answers[bad[0]])} is not a class"
            raise InputError(message, f"use 0 .. {num_classes - 1}, or -1 to abstain")
        if self.sets is not None and (self.sets.shape != (num_rows, num_classes) or self.sets.dtype != torch.bool):
            message = f"sets have shape {list(self.sets.shape)} and type {self.sets.dtype}"
            raise InputError(message, f"give bool [{num_rows}, {num_classes}]")
        if self.uncertainty is not None and (
            self.uncertainty.shape != (num_rows,) or bool(self.uncertainty.isnan().any())
        ):
            message = f"doubts have shape {list(self.uncertainty.shape)}, or a NaN"
            raise InputError(message, f"give one number for each of the {num_rows} rows")
        if self.costs is not None:
            widths = (num_classes, num_classes + 1)
            fits = self.costs.ndim == 2 and self.costs.shape[0] == num_classes and self.costs.shape[1] in widths
            if not fits or not bool(self.costs.isfinite().all()):
                message = f"costs have shape {list(self.costs.shape)}, or are not finite"
                raise InputError(message, f"give [{num_classes}, {num_classes}], or one more column for abstention")
            if self.costs.shape[1] == num_classes and bool((answers == ABSTAIN).any()):
                raise InputError("a sample is abstained on, and abstention has no cost", "add a column to the costs")
        return self
