"""`scorer("ece15")` in scikit-learn: the figures of evaluate, with labels matched to the estimator's classes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.svm import LinearSVC

import calibench
from calibench.errors import InputError
from calibench.integrations.sklearn import scorer

FOLDS = KFold(3, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    noisy = x + np.random.default_rng(0).normal(size=x.shape)
    return noisy, y


@pytest.fixture
def model():
    return LogisticRegression(max_iter=500)


def test_cross_validation_gives_minus_the_error_of_each_fold(iris, model):
    x, y = iris
    scores = cross_val_score(model, x, y, scoring=scorer("ece15"), cv=FOLDS)
    for score, (train, test) in zip(scores, FOLDS.split(x), strict=True):
        p = clone(model).fit(x[train], y[train]).predict_proba(x[test])
        assert score == -calibench.evaluate(probs=p, labels=y[test], metrics="ece15", resamples=0).metrics["ece15"]


def test_scores_agree_with_scikit_learns_own(iris, model):
    x, y = iris
    ours = cross_validate(model, x, y, cv=FOLDS, scoring={name: scorer(name) for name in ("nll", "accuracy")})
    theirs = cross_validate(model, x, y, cv=FOLDS, scoring=["neg_log_loss", "accuracy"])
    np.testing.assert_allclose(ours["test_nll"], theirs["test_neg_log_loss"], rtol=1e-9)
    np.testing.assert_array_equal(ours["test_accuracy"], theirs["test_accuracy"])


def test_labels_are_matched_by_name(iris, model):
    """Texts in an order of their own: classes_ sorts them."""
    x, y = iris
    names = np.array(["virginica", "setosa", "10"])[y]
    fitted = model.fit(x, names)
    assert fitted.classes_.tolist() == ["10", "setosa", "virginica"]
    expected = -((fitted.predict_proba(x) - (names[:, None] == fitted.classes_)) ** 2).sum(axis=1).mean()
    assert scorer("brier")(fitted, x, names) == pytest.approx(expected)
    assert scorer("brier")(fitted, x[names != "10"], names[names != "10"]) < 0  # a fold may lack a class


def test_it_chooses_parameters_and_travels_to_other_processes(iris, model):
    x, y = iris
    search = GridSearchCV(model, {"C": [1e-4, 1.0]}, scoring=scorer("brier"), cv=FOLDS)
    assert search.fit(x, y).best_params_ == {"C": 1.0}
    assert repr(pickle.loads(pickle.dumps(scorer("ece:bins=10")))) == "scorer('ece10')"


def test_weights(iris, model):
    x, y = iris
    fitted, weights = model.fit(x, y), np.arange(len(y)) + 1.0
    expected = get_scorer("neg_log_loss")(fitted, x, y, sample_weight=weights)
    assert scorer("nll")(fitted, x, y, sample_weight=weights) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: scorer("ece_15"), "did you mean 'ece15'"),
        (lambda x, y: scorer("coverage"), "coverage needs a decision rule"),
        (lambda x, y: scorer("brier,nll"), "names 2 metrics"),
        (lambda x, y: scorer("brier")(LinearSVC().fit(x, y), x, y), "LinearSVC has no predict_proba"),
        (lambda x, y: scorer("brier")(LogisticRegression().fit(x[y < 2], y[y < 2]), x, y), "label 2 is none of"),
        (lambda x, y: scorer("soft_brier")(LogisticRegression().fit(x, y), x, y), "soft_brier does not apply"),
        (
            lambda x, y: scorer("ici")(LogisticRegression().fit(x, y), x, y, sample_weight=y + 1.0),
            "no sample weights",
        ),
    ],
)
def test_mistakes(iris, call, message):
    with pytest.raises(InputError, match=message):
        call(*iris)
