"""OOD scores of a trained recipe: of its outputs, or of its body's features, each fitted once on the training rows."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from calibench.config.grammar import Bound, who
from calibench.errors import InputError, PluginError, blaming
from calibench.metrics.binning import Floats
from calibench.outputs.outputs import Outputs
from calibench.outputs.uncertainty import rounded
from calibench.plugins.specs import OodScoreSpec
from calibench.recipe.members import Members
from calibench.stages import OodScore, OodTask
from calibench.stages.build import build_stage

Scored: TypeAlias = "tuple[Floats, Floats] | str"
"""Uncertainties of the test rows `[n]` and of the OOD rows `[m]`, or the reason why the recipe does not have the score."""


class OodScores:
    """The scores that the user named, of one trained recipe; features are computed only if a score needs them."""

    def __init__(self, scores: Sequence[Bound], members: Members, test_x: NDArray[np.float32], test: Outputs) -> None:
        self.scores, self.members, self.test_x, self.test = scores, members, test_x, test
        self.by_features: dict[str, _Fitted] = {}
        """The scores of features that are fitted, by their text."""

    def of(self, x: NDArray[np.float32], outputs: Outputs) -> Iterator[tuple[str, Scored]]:
        """Every score's text with the uncertainties of test rows and of OOD rows `x [m, ...]`, whose outputs are `outputs`."""
        features: torch.Tensor | None = None
        for bound in self.scores:
            try:
                if not _of_features(bound):
                    yield bound.text(), (_by_outputs(bound, self.test), _by_outputs(bound, outputs))
                    continue
                fitted = self._fitted(bound)
                features = self.members.first.features_of({"ood": x})["ood"] if features is None else features
                yield bound.text(), (fitted.test, fitted(features))
            except InputError as error:
                yield bound.text(), error.message

    def _fitted(self, bound: Bound) -> _Fitted:
        """The score of features, fitted once; InputError if the recipe has no features or a head that the score cannot use."""
        text = bound.text()
        if text not in self.by_features:
            if self.members.without_features:
                message = f"score {text} needs the features of one body: {self.members.without_features}"
                raise InputError(message, "use a score of the outputs")
            self.by_features[text] = _Fitted(bound, *self._training_and_test_features)
        return self.by_features[text]

    @functools.cached_property
    def _training_and_test_features(self) -> tuple[OodTask, torch.Tensor]:
        member = self.members.first
        return member.ood_task(), member.features_of({"test": self.test_x})["test"]


class _Fitted:
    """One score of features, fitted on the training features, and the uncertainties of the test rows."""

    def __init__(self, bound: Bound, task: OodTask, test_features: torch.Tensor) -> None:
        self.bound = bound
        with blaming(who(bound)):
            self.score: OodScore = build_stage(bound)
            self.score.fit(task)
        self.test = self(test_features)

    def __call__(self, features: torch.Tensor) -> Floats:
        """Uncertainties `[n]` of features `[n, D]`."""
        with blaming(who(self.bound)):
            return _checked(self.bound, self.score.uncertainty(features), len(features))


def _of_features(bound: Bound) -> bool:
    assert isinstance(bound.spec, OodScoreSpec)
    return bound.spec.of == "features"


def _by_outputs(bound: Bound, outputs: Outputs) -> Floats:
    with blaming(who(bound)):
        return _checked(bound, bound.spec.load()(outputs, **bound.own()), len(outputs))


def _checked(bound: Bound, uncertainty: torch.Tensor, rows: int) -> Floats:
    """Rounded to float32 in float64, as all uncertainties; PluginError unless there is one number a row."""
    if not isinstance(uncertainty, torch.Tensor) or uncertainty.shape != (rows,) or bool(uncertainty.isnan().any()):
        shape = list(getattr(uncertainty, "shape", ()))
        message = f"{who(bound)} returned shape {shape} for {rows} rows, or a NaN"
        raise PluginError(message, "it must return one number a row")
    return rounded(uncertainty.double()).cpu().numpy()
