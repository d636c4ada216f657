"""PostHoc: the calibrators and the decision rule of a recipe, fitted on one set of outputs and applied to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from calibench.config.grammar import Bound, who
from calibench.errors import InputError, RunError, blaming
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs
from calibench.recipe.absent_classes import KEPT, collapsed_classes, with_probabilities_of
from calibench.recipe.cal_split import APPROXIMATE, FOLDS, PARTS, Samples, attempts, folds_of, shuffled, split_for, take
from calibench.recipe.unchanged import unchanged
from calibench.stages import Calibrator, DecisionRule
from calibench.stages.build import as_figures, build_stage


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
        self.adapted: dict[str, dict[str, Any]] = {}
        """By stage, the values that calibrators took from the rows that were mapped last (`Calibrator.adapt`)."""
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
        self._refuse_idle_split()

    def _refuse_idle_split(self) -> None:
        """InputError for a `cal_split` that does nothing."""
        if self.rule is None or self.rule[1].cal_split is None:
            return
        bound, rule = self.rule
        if not self.calibrators:
            message = f"{who(bound)}: cal_split does nothing without a calibrator, which would share cal with the rule"
            raise InputError(message, "drop it, or put a calibrator before the rule")
        if split_for([calibrator for _, calibrator in self.calibrators], rule, 0) == "all":
            reason = "dividing logits by one number changes no answer" if rule.needs_fresh else "there is no guarantee"
            message = f"{who(bound)}: cal_split does nothing, because {reason}: calibrators and rule use all of cal"
            raise InputError(message, "drop it")

    @property
    def stages(self) -> list[Bound]:
        """Calibrators and rule, in the order of the recipe."""
        return [bound for bound, _ in self.calibrators] + ([] if self.rule is None else [self.rule[0]])

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

        A rule that `needs_fresh` samples shares them with the calibrators before it, as `split_for` says.
        """
        samples = outputs, labels
        if self.rule is None:
            self._fit_calibrators(samples)
            return self._learned()
        bound, rule = self.rule
        how = split_for(
            [calibrator for _, calibrator in self.calibrators], rule, len(labels) // outputs.labels_per_sample
        )
        shared: dict[str, Any] = {"cal_split": how} if self.calibrators and rule.needs_fresh else {}
        if how == "all":
            self._fit_rule(self._fit_calibrators(samples), labels)
        elif how == "cross-fit":
            self._fit_rule(*self._cross_fitted(samples))
            note = self._fitted[bound.name].get("note")
            shared |= {"folds": FOLDS, "note": f"{note}; {APPROXIMATE}" if note else APPROXIMATE}
            self._fit_calibrators(samples)
        else:
            shared |= self._fit_on_parts(samples, attempts(how, rule))
        self._fitted[bound.name] |= shared
        return self._learned()

    def _fit_on_parts(self, samples: Samples, ways: Sequence[str]) -> dict[str, Any]:
        """Fit the calibrators on a part of the samples, by the first of `ways` that is enough, and the rule on the rest."""
        order = shuffled(samples, PARTS[ways[-1]])
        for how in ways:
            cut = len(order) * (PARTS[how] - 1) // PARTS[how]
            try:
                self._fit_calibrators(take(samples, order[cut:].flatten()))
                break
            except RunError:
                if how == ways[-1]:
                    raise
        fresh = take(samples, order[:cut].flatten())
        self._fit_rule(self.apply(fresh[0]), fresh[1])
        return {"cal_split": how, "calibrator_samples": order[cut:].numel(), "fresh_samples": len(fresh[1])}

    def _learned(self) -> list[dict[str, Any]]:
        """The learned values in the order of the recipe; `cross-fit` fits the calibrators once more after the rule."""
        return [{**self._fitted[bound.name], "stage": bound.name} for bound in self.stages]

    def restore(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Take the learned values that `fit` returned in place of a fit."""
        self._fitted = {entry["stage"]: {key: entry[key] for key in entry if key != "stage"} for entry in entries}

    def _fit_calibrators(self, samples: Samples) -> Outputs:
        """Fit the calibrators in turn; returns the outputs of the last one."""
        outputs, labels = samples
        for bound, calibrator in self.calibrators:
            outputs = outputs.plain()
            self._fit(bound, calibrator, outputs, labels)
            collapsed = collapsed_classes(outputs, self._calibrated(bound, calibrator, outputs), labels)
            if collapsed:
                self._fitted[bound.name] |= {KEPT: collapsed}
            outputs = self._calibrated(bound, calibrator, outputs)
        return outputs

    def _fit_rule(self, outputs: Outputs, labels: torch.Tensor) -> None:
        assert self.rule is not None
        self._fit(*self.rule, self._for_rule(self.rounding(outputs)), labels)

    def _cross_fitted(self, samples: Samples) -> Samples:
        """Every sample calibrated by calibrators that were fitted on the other folds, as softmax logits; folds in their order."""
        folds = folds_of(samples)
        mapped = []
        for number, rows in enumerate(folds):
            self._fit_calibrators(take(samples, torch.cat(folds[:number] + folds[number + 1 :])))
            mapped.append(self.apply(take(samples, rows)[0]))
        together = replace(mapped[0], scores=torch.cat([part.scores for part in mapped]))
        return together, samples[1][torch.cat(folds)]

    def judged(
        self, outputs: Outputs, *, decide: bool = True, adapted: Mapping[str, dict[str, Any]] | None = None
    ) -> tuple[Outputs, Decisions | None]:
        """Outputs as they are judged, calibrated and rounded, and the rule's decisions on them (None without a rule).

        `adapted` are values that calibrators took from other rows; by default they take them from these.
        """
        calibrated = self.rounding(self.apply(outputs, adapted))
        decisions = self.decide(calibrated) if decide else None
        return self.rounding(calibrated.plain()), decisions

    def apply(self, outputs: Outputs, adapted: Mapping[str, dict[str, Any]] | None = None) -> Outputs:
        """The calibrated outputs; `adapted` as in `judged`."""
        for bound, calibrator in self.calibrators:
            values = None if adapted is None else adapted.get(bound.name, {})
            outputs = self._calibrated(bound, calibrator, outputs.plain(), values)
        return outputs

    def with_adapted(self, entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The learned values of stages with those that calibrators took from the rows that were mapped last."""
        return [{**entry, **self.adapted.get(entry["stage"], {})} for entry in entries]

    def decide(self, outputs: Outputs) -> Decisions | None:
        """The rule's decisions on calibrated outputs, on the CPU; None without a rule."""
        if self.rule is None:
            return None
        bound, rule = self.rule
        with blaming(who(bound)):
            shown = self._for_rule(outputs)
            with unchanged(who(bound), scores=shown.scores):
                answer = rule.decide(shown, self._fitted.get(bound.name, {}))
            decisions = answer if isinstance(answer, Decisions) else Decisions(answer)
            try:
                return decisions.cpu().check(len(outputs), outputs.num_classes)
            except InputError as error:
                message = f"{who(bound)} decided something else than [N] class indices or -1: {error.message}"
                raise RunError(message, f"correct the plugin: {error.hint}") from None

    def _for_rule(self, outputs: Outputs) -> Outputs:
        return outputs if self.rule is not None and self.rule[1].one_vs_rest else outputs.plain()

    def _fit(self, bound: Bound, stage: Calibrator | DecisionRule, outputs: Outputs, labels: torch.Tensor) -> None:
        with blaming(who(bound)), unchanged(who(bound), scores=outputs.scores, labels=labels):
            self._fitted[bound.name] = as_figures(bound, stage.fit(outputs, labels))

    def _calibrated(
        self, bound: Bound, calibrator: Calibrator, outputs: Outputs, adapted: dict[str, Any] | None = None
    ) -> Outputs:
        fitted = self._fitted[bound.name]
        with blaming(who(bound)), unchanged(who(bound), scores=outputs.scores):
            if adapted is None:
                adapted = self.adapted[bound.name] = as_figures(bound, calibrator.adapt(outputs, fitted))
            mapped = calibrator.apply(outputs, {**fitted, **adapted})
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


def checked(outputs: Outputs, where: str) -> Outputs:
    """Check outputs that a network or plugin made: bad values raise RunError here (for a user's file, InputError)."""
    try:
        return outputs.check(where)
    except InputError as error:
        hint = "the network or a stage of the recipe made it; try a lower learning rate"
        raise RunError(error.message, hint) from None
