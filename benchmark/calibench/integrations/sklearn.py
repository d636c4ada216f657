"""`scorer("ece15")`: a metric of calibench as a scorer of scikit-learn, for cross_val_score, GridSearchCV and kin."""

from __future__ import annotations

from typing import Any

from calibench.errors import InputError
from calibench.lazy import np
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics, takes_no_weights
from calibench.outputs.several_labels import check_samples


class Scorer:
    """`scorer(estimator, X, y)`: the figure of `predict_proba`, with a minus where less is better, as scikit-learn asks for."""

    def __init__(self, metric: str) -> None:
        loaded = load_metrics(metric)
        if len(loaded) != 1:
            raise InputError(f"{metric!r} names {len(loaded)} metrics", "a scorer has one, as scorer('ece15')")
        ((self.name, (spec, _)),) = loaded.items()
        if spec.needs_decision:
            raise InputError(f"{self.name} needs a decision rule, and an estimator has none", "name another metric")
        self.sign = 1.0 if spec.better == "higher" else -1.0

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The score of a fitted estimator. Labels are matched to its `classes_`.

        InputError for an estimator without probabilities, labels that it was not fitted on, and weights that the metric does not
        take.
        """
        if not hasattr(estimator, "predict_proba"):
            hint = "wrap it in sklearn.calibration.CalibratedClassifierCV, or give it probability=True"
            raise InputError(f"{type(estimator).__name__} has no predict_proba", hint)
        labels = _places(np.asarray(y), np.asarray(estimator.classes_))
        samples = check_samples(np.asarray(estimator.predict_proba(X)), labels, True, type(estimator).__name__)
        _, metric = load_metrics(self.name)[self.name]
        if sample_weight is not None and not metric.takes_weights:
            raise takes_no_weights(self.name)
        judged = Judged(*samples, sample_weight=sample_weight)
        if not metric.applies(judged):
            raise InputError(f"{self.name} does not apply to these samples", f"calibench show metric {self.name}")
        return self.sign * float(metric.value(judged))

    def __repr__(self) -> str:
        return f"scorer({self.name!r})"


def scorer(metric: str) -> Scorer:
    """A scorer of the metric that `calibench.evaluate` calls by this name, as `ece15`, `brier`, `ece:bins=20`.

    `cross_val_score(model, X, y, scoring=scorer("ece15"))` gives minus the ECE of each fold. InputError for an unknown metric,
    and for one that needs a decision rule.
    """
    return Scorer(metric)


def _places(y: Any, classes: Any) -> Any:
    """The place of each label among the classes of the estimator."""
    if y.ndim != 1:
        raise InputError(f"labels have shape {list(y.shape)}", "give one class per row")
    place = {label: number for number, label in enumerate(classes.tolist())}
    values = y.tolist()
    unknown = next((value for value in values if value not in place), None)
    if unknown is not None:
        raise InputError(f"label {unknown!r} is none of the estimator's classes {list(place)}", "fit it on every class")
    return np.array([place[value] for value in values], dtype=np.int64)
