"""Calibrator: a post-hoc map of outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from calibench.lazy import torch
from calibench.outputs.outputs import Outputs
from calibench.stages.formula import NoFormulaError, Scores


class Calibrator(ABC):
    """A post-hoc map of outputs, fitted on the calibration split."""

    scales: bool = False
    """True for a map that divides all logits by one fitted number: a fifth of cal is enough for it beside a rule."""

    def check(self, num_classes: int) -> None:
        """Raise InputError if the parameters do not fit K classes; called before anything is trained."""

    @abstractmethod
    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """Fit to labelled outputs, and return the learned values as JSON (numbers, strings, lists) for the record."""

    def adapt(self, outputs: Outputs, fitted: dict[str, Any]) -> dict[str, Any]:
        """Values, as JSON, that the map takes from the rows that it is about to map, without labels; by default none.

        They join `fitted` in `apply`. The record states those of the test split, and of each shift variant. OOD rows are mapped
        with those of test.
        """
        return {}

    @abstractmethod
    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """The mapped outputs, of the same shape. Return new ones; do not change `outputs` in place."""

    def formula(self, scores: Scores, fitted: dict[str, Any]) -> Scores:
        """The same map by the operations of `scores.ops`, so that it can leave calibench without torch, or as an ONNX graph.

        Raise NoFormulaError with the reason where there is none, as for a map that depends on other rows; by default always.
        """
        raise NoFormulaError("has no formula")

    def snippet(self, fitted: dict[str, Any]) -> list[str] | None:
        """Lines of numpy that turn logits `z [N, K]` into the mapped logits `z`, to paste; None if they would be too long."""
        return None
