"""PostHoc: the calibrators and the decision rule of a recipe, fitted on one set of outputs and applied to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from calibench.config.grammar import Bound, who
from calibench.errors import InputError, RunError, blaming
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs
from calibench.stages import Calibrator, DecisionRule
from calibench.stages.build import as_figures, build_stage


class PostHoc:
    """The chain, built and checked for K classes, or for Q labels a sample; InputError for parameters that cannot work."""

    def __init__(self, stages: Sequence[Bound], num_classes: int, labels_per_sample: int = 1) -> None:
        self.calibrators: list[tuple[Bound, Calibrator]] = []
        self.rule: tuple[Bound, DecisionRule] | None = None
        self._fitted: dict[str, dict[str, Any]] = {}
        for bound in stages:
            stage = build_stage(bound)
            one_vs_rest = isinstance(stage, DecisionRule) and stage.one_vs_rest
            with blaming(who(bound)):
                stage.check(labels_per_sample if labels_per_sample > 1 and one_vs_rest else num_classes)
            if bound.spec.kind == "calibrator":
                self.calibrators.append((bound, stage))
            else:
                self.rule = (bound, stage)

    @property
    def needs_fit(self) -> bool:
        """Whether any stage must see labelled outputs first."""
        return bool(self.calibrators) or (self.rule is not None and self.rule[1].needs_fit)

    @property
    def files(self) -> str:
        """A digest of what files the rule read, or nothing."""
        return "" if self.rule is None else self.rule[1].files

    def fit(
        self, outputs: Outputs, labels: torch.Tensor, *, stored: Callable[[Outputs], Outputs] | None = None
    ) -> list[dict[str, Any]]:
        """Fit each stage on what the ones before it make of `outputs`; returns what each learned, for the record.

        `stored` is what happens to calibrated outputs before `decide` sees them, such as rounding: the rule is fitted on
        the same, or scores that are equal would lie on both sides of a threshold between them. A rule that `needs_fresh`
        samples gets a random half that the calibrators before it have not seen, and they the other.
        """
        fresh = None
        if self.calibrators and self.rule is not None and self.rule[1].needs_fresh:
            fresh, rest = _halves(outputs, labels)
            outputs, labels = rest
        for bound, calibrator in self.calibrators:
            outputs = outputs.plain()
            self._learn(bound, calibrator, outputs, labels)
            outputs = self._applied(bound, calibrator, outputs)
        if self.rule is not None:
            if fresh is not None:
                outputs, labels = self.apply(fresh[0]), fresh[1]
            self._learn(*self.rule, self._for_rule(outputs if stored is None else stored(outputs)), labels)
            if fresh is not None:
                self._fitted[self.rule[0].name] |= {"fresh_samples": len(labels)}
        return [{**fitted, "stage": name} for name, fitted in self._fitted.items()]

    def apply(self, outputs: Outputs) -> Outputs:
        """The calibrated outputs."""
        for bound, calibrator in self.calibrators:
            outputs = self._applied(bound, calibrator, outputs.plain())
        return outputs

    def decide(self, outputs: Outputs) -> Decisions | None:
        """What the rule says about calibrated outputs, on the CPU; None without a rule."""
        if self.rule is None:
            return None
        bound, rule = self.rule
        with blaming(who(bound)):
            found = rule.decide(self._for_rule(outputs), self._fitted.get(bound.name, {}))
            decisions = found if isinstance(found, Decisions) else Decisions(found)
            try:
                return decisions.cpu().check(len(outputs), outputs.num_classes)
            except InputError as error:
                message = f"{who(bound)} decided something else than [N] class indices or -1: {error.message}"
                raise RunError(message, f"mend the plugin: {error.hint}") from None

    def _for_rule(self, outputs: Outputs) -> Outputs:
        return outputs if self.rule is not None and self.rule[1].one_vs_rest else outputs.plain()

    def _learn(self, bound: Bound, stage: Calibrator | DecisionRule, outputs: Outputs, labels: torch.Tensor) -> None:
        with blaming(who(bound)):
            self._fitted[bound.name] = as_figures(bound, stage.fit(outputs, labels))

    def _applied(self, bound: Bound, calibrator: Calibrator, outputs: Outputs) -> Outputs:
        with blaming(who(bound)):
            mapped = calibrator.apply(outputs, self._fitted[bound.name])
        if not isinstance(mapped, Outputs):
            message = f"{who(bound)} turned outputs into a {type(mapped).__name__}, not calibench.Outputs"
            raise RunError(message, "mend the plugin")
        if mapped.scores.shape != outputs.scores.shape:
            message = f"{who(bound)} turned scores {list(outputs.scores.shape)} into {list(mapped.scores.shape)}"
            raise RunError(message, "mend the plugin: a calibrator keeps the shape")
        return checked(replace(mapped, labels_per_sample=outputs.labels_per_sample), f"after {bound.name}")


def _halves(outputs: Outputs, labels: torch.Tensor) -> tuple[tuple[Outputs, torch.Tensor], ...]:
    """The samples in two random halves, the first the smaller; RunError where there are not two."""
    labels_per_sample = outputs.labels_per_sample
    n = len(labels) // labels_per_sample
    if n < 2:
        raise RunError("one sample cannot be halved between a calibrator and a rule", "give more samples to fit on")
    order = (torch.randperm(n)[:, None] * labels_per_sample + torch.arange(labels_per_sample)).flatten()
    parts = order[: n // 2 * labels_per_sample], order[n // 2 * labels_per_sample :]
    return tuple((replace(outputs, scores=outputs.scores[rows]), labels[rows]) for rows in parts)


def checked(outputs: Outputs, where: str) -> Outputs:
    """Outputs that a network or a plugin made, if they are sound; what in a file is the user's mistake is a failed run here."""
    try:
        return outputs.check(where)
    except InputError as error:
        raise RunError(
            error.message, "the network or a stage of the recipe made it; try a lower learning rate"
        ) from None
