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
from calibench.recipe.absent_classes import collapsed_classes, with_probabilities_of
from calibench.stages import Calibrator, DecisionRule
from calibench.stages.build import as_figures, build_stage

KEPT = "classes_kept"
"""The learned value that lists classes without samples to fit on, whose probabilities stay as they are."""


def exact(outputs: Outputs) -> Outputs:
    """The rounding that changes nothing."""
    return outputs


class PostHoc:
    """The chain, built and checked for K classes, or for Q labels a sample; InputError for parameters that cannot work.

    `rounding` rounds calibrated outputs as they will be stored. The rule is fitted on rounded scores because it later decides
    on rounded scores: otherwise equal scores could fall on both sides of a threshold.
    """

    def __init__(
        self,
        stages: Sequence[Bound],
        num_classes: int,
        labels_per_sample: int = 1,
        rounding: Callable[[Outputs], Outputs] = exact,
        class_names: tuple[str, ...] = (),
    ) -> None:
        self.calibrators: list[tuple[Bound, Calibrator]] = []
        self.rule: tuple[Bound, DecisionRule] | None = None
        self.rounding = rounding
        self._fitted: dict[str, dict[str, Any]] = {}
        for bound in stages:
            stage = build_stage(bound)
            one_vs_rest = isinstance(stage, DecisionRule) and stage.one_vs_rest
            if isinstance(stage, DecisionRule):
                stage.class_names, stage.labels_per_sample = class_names, labels_per_sample
            with blaming(who(bound)):
                stage.check(labels_per_sample if labels_per_sample > 1 and one_vs_rest else num_classes)
            if bound.spec.kind == "calibrator":
                self.calibrators.append((bound, stage))
            else:
                self.rule = (bound, stage)

    @property
    def needs_fit(self) -> bool:
        """True if a stage must see labelled outputs first."""
        return bool(self.calibrators) or (self.rule is not None and self.rule[1].needs_fit)

    @property
    def files(self) -> str:
        """The digest of files that the rule has read, or empty."""
        return "" if self.rule is None else self.rule[1].files

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> list[dict[str, Any]]:
        """Fit each stage on the outputs of the stages before it; returns the learned values of each, for the record.

        A rule that `needs_fresh` samples is fitted on a random half of them, and the calibrators before it on the other half.
        """
        fresh = None
        if self.calibrators and self.rule is not None and self.rule[1].needs_fresh:
            fresh, (outputs, labels) = _halves(outputs, labels)
        for bound, calibrator in self.calibrators:
            outputs = outputs.plain()
            self._fit(bound, calibrator, outputs, labels)
            collapsed = collapsed_classes(outputs, self._calibrated(bound, calibrator, outputs), labels)
            if collapsed:
                self._fitted[bound.name] |= {KEPT: collapsed}
            outputs = self._calibrated(bound, calibrator, outputs)
        if self.rule is not None:
            bound, rule = self.rule
            if fresh is not None:
                outputs, labels = self.apply(fresh[0]), fresh[1]
            self._fit(bound, rule, self._for_rule(self.rounding(outputs)), labels)
            if fresh is not None:
                self._fitted[bound.name] |= {"fresh_samples": len(labels)}
        return [{**fitted, "stage": name} for name, fitted in self._fitted.items()]

    def judged(self, outputs: Outputs, *, decide: bool = True) -> tuple[Outputs, Decisions | None]:
        """Outputs as they are judged, calibrated and rounded, and the rule's decisions on them (None without a rule)."""
        calibrated = self.rounding(self.apply(outputs))
        decisions = self.decide(calibrated) if decide else None
        return self.rounding(calibrated.plain()), decisions

    def apply(self, outputs: Outputs) -> Outputs:
        """The calibrated outputs."""
        for bound, calibrator in self.calibrators:
            outputs = self._calibrated(bound, calibrator, outputs.plain())
        return outputs

    def decide(self, outputs: Outputs) -> Decisions | None:
        """The rule's decisions on calibrated outputs, on the CPU; None without a rule."""
        if self.rule is None:
            return None
        bound, rule = self.rule
        with blaming(who(bound)):
            answer = rule.decide(self._for_rule(outputs), self._fitted.get(bound.name, {}))
            decisions = answer if isinstance(answer, Decisions) else Decisions(answer)
            try:
                return decisions.cpu().check(len(outputs), outputs.num_classes)
            except InputError as error:
                message = f"{who(bound)} decided something else than [N] class indices or -1: {error.message}"
                raise RunError(message, f"correct the plugin: {error.hint}") from None

    def _for_rule(self, outputs: Outputs) -> Outputs:
        return outputs if self.rule is not None and self.rule[1].one_vs_rest else outputs.plain()

    def _fit(self, bound: Bound, stage: Calibrator | DecisionRule, outputs: Outputs, labels: torch.Tensor) -> None:
        with blaming(who(bound)):
            self._fitted[bound.name] = as_figures(bound, stage.fit(outputs, labels))

    def _calibrated(self, bound: Bound, calibrator: Calibrator, outputs: Outputs) -> Outputs:
        with blaming(who(bound)):
            mapped = calibrator.apply(outputs, self._fitted[bound.name])
        if not isinstance(mapped, Outputs):
            message = f"{who(bound)} turned outputs into a {type(mapped).__name__}, not calibench.Outputs"
            raise RunError(message, "correct the plugin")
        if mapped.scores.shape != outputs.scores.shape:
            message = f"{who(bound)} turned scores {list(outputs.scores.shape)} into {list(mapped.scores.shape)}"
            raise RunError(message, "correct the plugin: a calibrator keeps the shape")
        mapped = replace(mapped, labels_per_sample=outputs.labels_per_sample)
        if KEPT in self._fitted[bound.name]:
            mapped = with_probabilities_of(outputs, mapped, self._fitted[bound.name][KEPT])
        return checked(mapped, f"after {bound.name}")


Samples = tuple[Outputs, torch.Tensor]


def _halves(outputs: Outputs, labels: torch.Tensor) -> tuple[Samples, Samples]:
    """The samples in two random halves, the first the smaller; RunError if there is one sample."""
    labels_per_sample = outputs.labels_per_sample
    n = len(labels) // labels_per_sample
    if n < 2:
        raise RunError("one sample cannot be halved between a calibrator and a rule", "give more samples to fit on")
    order = (torch.randperm(n)[:, None] * labels_per_sample + torch.arange(labels_per_sample)).flatten()
    first, second = order[: n // 2 * labels_per_sample], order[n // 2 * labels_per_sample :]

    def half(rows: torch.Tensor) -> Samples:
        return replace(outputs, scores=outputs.scores[rows]), labels[rows]

    return half(first), half(second)


def checked(outputs: Outputs, where: str) -> Outputs:
    """Check outputs that a network or plugin made: bad values raise RunError here (for a user's file, InputError)."""
    try:
        return outputs.check(where)
    except InputError as error:
        hint = "the network or a stage of the recipe made it; try a lower learning rate"
        raise RunError(error.message, hint) from None
