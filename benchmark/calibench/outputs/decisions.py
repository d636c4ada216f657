"""Decisions: a decision rule's answer to each sample, the uncertainty that it abstains by, and the figures it promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from calibench.errors import InputError
from calibench.lazy import torch
from calibench.outputs.outputs import ABSTAIN


@dataclass(frozen=True)
class Decisions:
    """Answers to N samples of K classes, with optional sets and scores. A rule that only answers may return `answers` alone."""

    answers: torch.Tensor
    """[N] whole numbers: a class, or -1 to abstain."""
    sets: torch.Tensor | None = None
    """[N, K] bool: the classes that are not ruled out."""
    uncertainty: torch.Tensor | None = None
    """[N] uncertainty per row, small = sure; the rule abstains on large values. None means `Judged.tail`, the max-softmax order."""
    score: str = "max-softmax"
    """The name of the score in `uncertainty`."""
    costs: torch.Tensor | None = None
    """[K, K] or [K, K + 1]: the cost of each answer (column; the last is abstention) for each true class (row)."""
    targets: Mapping[str, float] = field(default_factory=dict)
    """The figure that the rule promises of a metric, as `{"selective_risk": 0.02}`. The record states whether test reaches it."""

    def cpu(self) -> Decisions:
        """The same decisions in the CPU's memory: whole-number answers as int64, uncertainty and costs as float64."""
        return Decisions(
            answers=self.answers.cpu() if self.answers.is_floating_point() else self.answers.cpu().long(),
            sets=None if self.sets is None else self.sets.cpu(),
            uncertainty=None if self.uncertainty is None else self.uncertainty.detach().cpu().double(),
            score=self.score,
            costs=None if self.costs is None else self.costs.cpu().double(),
            targets=self.targets,
        )

    def check(self, num_rows: int, num_classes: int) -> Decisions:
        """These decisions, if shapes, types and values fit N rows of K classes. Raises InputError naming the first bad row."""
        _check_answers(self.answers, num_rows, num_classes)
        if self.sets is not None:
            _check_sets(self.sets, num_rows, num_classes)
        if self.uncertainty is not None:
            _check_uncertainty(self.uncertainty, num_rows)
        if self.costs is not None:
            _check_costs(self.costs, self.answers, num_classes)
        return self


def _check_answers(answers: torch.Tensor, num_rows: int, num_classes: int) -> None:
    whole = not (answers.is_floating_point() or answers.is_complex() or answers.dtype == torch.bool)
    if answers.shape != (num_rows,) or not whole:
        problem = f"shape {list(answers.shape)} and type {answers.dtype}, not [{num_rows}] whole numbers"
        raise InputError(f"decisions have {problem}", "give one class per row, -1 to abstain")
    bad = ((answers < ABSTAIN) | (answers >= num_classes)).nonzero()
    if len(bad):
        message = f"row {int(bad[0])}: decision {int(answers[bad[0]])} is not a class"
        raise InputError(message, f"use 0 .. {num_classes - 1}, or -1 to abstain")


def _check_sets(sets: torch.Tensor, num_rows: int, num_classes: int) -> None:
    if sets.shape != (num_rows, num_classes) or sets.dtype != torch.bool:
        message = f"sets have shape {list(sets.shape)} and type {sets.dtype}"
        raise InputError(message, f"give bool [{num_rows}, {num_classes}]")


def _check_uncertainty(uncertainty: torch.Tensor, num_rows: int) -> None:
    if uncertainty.shape != (num_rows,) or bool(uncertainty.isnan().any()):
        message = f"uncertainty has shape {list(uncertainty.shape)}, or holds a NaN"
        raise InputError(message, f"give one number for each of the {num_rows} rows")


def _check_costs(costs: torch.Tensor, answers: torch.Tensor, num_classes: int) -> None:
    widths = (num_classes, num_classes + 1)
    fits = costs.ndim == 2 and costs.shape[0] == num_classes and costs.shape[1] in widths
    if not fits or not bool(costs.isfinite().all()):
        message = f"costs have shape {list(costs.shape)}, or are not finite"
        raise InputError(message, f"give [{num_classes}, {num_classes}], or one more column for abstention")
    if costs.shape[1] == num_classes and bool((answers == ABSTAIN).any()):
        raise InputError("a decision abstains, and abstention has no cost", "add a column to the costs")
