"""SklearnMap: a calibration map as a scikit-learn estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin

from calibench.errors import InputError
from calibench.maps.document import width
from calibench.outputs.outputs import ABSTAIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibench.maps.fitted_map import FittedMap


class SklearnMap(ClassifierMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted estimator on scores `[N, K]`: `predict_proba` calibrates them, `predict` answers by the rule of the map.

    It is fitted already, and `fit` changes nothing, so that it may stand last in a Pipeline. `transform` is `predict_proba`.

    With `before`, a fitted classifier, the rows are its inputs: scores are its `decision_function` if the map was fitted on logits
    and that gives a column a class, else its `predict_proba`. `before.classes_` are matched to the map's class names.
    """

    def __init__(
        self, calibration_map: FittedMap, classes: Any = None, abstain: Any = None, before: Any = None
    ) -> None:
        self.calibration_map = calibration_map
        self.classes = classes
        self.abstain = abstain
        self.before = before

    def fit(self, X: Any, y: Any = None) -> SklearnMap:
        """The estimator as it is: the map was fitted by calibench."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def n_features_in_(self) -> int:
        """The number of columns of scores."""
        return width(self.calibration_map.document) if self.before is None else int(self.before.n_features_in_)

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels, in the order of the columns of `predict_proba`."""
        given = self.classes if self.classes is not None else getattr(self.before, "classes_", None)
        if given is None:
            given = self.calibration_map.class_names or range(self.n_features_in_)
        labels = np.asarray(list(given))
        columns = width(self.calibration_map.document)
        if len(labels) != columns:
            raise InputError(f"{len(labels)} classes for a map of {columns}", "give one label a column, in their order")
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The calibrated probabilities `[N, K]`."""
        return self.calibration_map.probs(*self._scores(X))

    def transform(self, X: Any) -> NDArray[np.float64]:
        """`predict_proba`."""
        return self.predict_proba(X)

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of each row, `[N]`; `[N, Q]` of 0 and 1 if a sample has Q labels.

        InputError if the rule abstains and no `abstain` label was given.
        """
        if not self.calibration_map.has_rule and self.calibration_map.document.labels_per_sample == 1:
            predicted: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
            return predicted
        answers = self.calibration_map.decide(*self._scores(X)).answers
        if answers.ndim == 2:
            return answers
        abstained = answers == ABSTAIN
        labels = self.classes_[np.where(abstained, 0, answers)]
        if not abstained.any():
            return labels
        if self.abstain is None:
            message = f"the rule abstains on {int(abstained.sum())} of {len(answers)} rows, which have no label"
            raise InputError(message, "give one: to_sklearn(abstain='abstain')")
        labels = labels.astype(np.result_type(labels, np.asarray(self.abstain)))
        labels[abstained] = self.abstain
        return labels

    def _scores(self, X: Any) -> tuple[Any, Any]:
        """The scores of the rows, and the names of their columns where they are to be matched."""
        if self.before is None:
            return X, None
        names = self.calibration_map.class_names
        labels = None if names is None else [str(label) for label in self.before.classes_]
        columns = width(self.calibration_map.document)
        if self.calibration_map.document.scores == "logits":
            if not hasattr(self.before, "decision_function"):
                message = f"the map was fitted on logits, and {type(self.before).__name__} has no decision_function"
                raise InputError(message, "fit a map on its predict_proba")
            scores = np.asarray(self.before.decision_function(X))
            if scores.ndim == 1 and columns == 2:
                scores = np.stack([0 * scores, scores], axis=1)
            return scores, labels
        return self.before.predict_proba(X), labels
