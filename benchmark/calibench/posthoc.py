"""PostHoc: the calibrators and the decision rule of a recipe, fitted on one set of outputs and applied to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from calibench.errors import InputError, RunError
from calibench.grammar import Bound
from calibench.outputs import Outputs
from calibench.stages import Calibrator, DecisionRule


class PostHoc:
    """The chain, built and checked for K classes; InputError for parameters that cannot work."""

    def __init__(self, stages: Sequence[Bound], num_classes: int) -> None:
        self.calibrators: list[tuple[str, Calibrator]] = []
        self.rule: tuple[str, DecisionRule] | None = None
        self._fitted: dict[str, dict[str, Any]] = {}
        for bound in stages:
            stage = bound.spec.load()(**bound.own())
            stage.check(num_classes)
            if bound.spec.kind == "calibrator":
                self.calibrators.append((bound.name, stage))
            else:
                self.rule = (bound.name, stage)

    @property
    def needs_fit(self) -> bool:
        """Whether any stage must see labelled outputs first."""
        return bool(self.calibrators) or (self.rule is not None and self.rule[1].needs_fit)

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> list[dict[str, Any]]:
        """Fit each stage on what the ones before it make of `outputs`; returns what each learned, for the record."""
        for name, calibrator in self.calibrators:
            self._fitted[name] = calibrator.fit(outputs, labels)
            outputs = self._applied(name, calibrator, outputs)
        if self.rule is not None:
            self._fitted[self.rule[0]] = self.rule[1].fit(outputs, labels)
        return [{"stage": name, **fitted} for name, fitted in self._fitted.items()]

    def apply(self, outputs: Outputs) -> Outputs:
        """The calibrated outputs."""
        for name, calibrator in self.calibrators:
            outputs = self._applied(name, calibrator, outputs)
        return outputs

    def decide(self, outputs: Outputs) -> torch.Tensor | None:
        """What the rule answers to calibrated outputs: class indices, -1 for abstention; None without a rule."""
        if self.rule is None:
            return None
        name, rule = self.rule
        answers = rule.decide(outputs, self._fitted.get(name, {}))
        inside = bool(((answers >= -1) & (answers < outputs.num_classes)).all()) if answers.ndim == 1 else False
        if len(answers) != len(outputs) or not inside:
            raise RunError(
                f"decision rule {name!r} returned something else than [N] class indices or -1", "mend the plugin"
            )
        return answers.long().cpu()

    def _applied(self, name: str, calibrator: Calibrator, outputs: Outputs) -> Outputs:
        mapped = calibrator.apply(outputs, self._fitted[name])
        if mapped.scores.shape != outputs.scores.shape:
            message = f"calibrator {name!r} turned scores {list(outputs.scores.shape)} into {list(mapped.scores.shape)}"
            raise RunError(message, "mend the plugin: a calibrator keeps the shape")
        return checked(mapped, f"after {name}")


def checked(outputs: Outputs, where: str) -> Outputs:
    """Outputs that a network or a plugin made, if they are sound; what in a file is the user's mistake is a failed run here."""
    try:
        return outputs.check(where)
    except InputError as error:
        raise RunError(
            error.message, "the network or a stage of the recipe made it; try a lower learning rate"
        ) from None
