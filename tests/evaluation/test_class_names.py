"""Names of classes from Python: labels may be words, verdict, rules and thresholds know the classes by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import calibench
from calibench import InputError

NAMES = ["cat", "dog", "bird"]


def samples(n: int = 600, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that predict the first class too often, and class indices."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n, classes)) * 2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(classes, p=row) for row in p])
    shifted = p * np.where(np.arange(classes) == 0, 3.0, 1.0)
    return shifted / shifted.sum(axis=1, keepdims=True), labels


def test_the_verdict_names_the_class() -> None:
    p, y = samples()
    named, numbered = calibench.evaluate(probs=p, labels=y, class_names=NAMES), calibench.evaluate(probs=p, labels=y)
    assert "class cat: " in named.verdict
    assert named.verdict.replace("cat", "0").replace("dog", "1").replace("bird", "2") == numbered.verdict
    assert next(f["name"] for f in named.findings if f["kind"] == "class") == "cat"
    assert named.class_names == NAMES
    assert named.metrics == numbered.metrics


def test_of_two_classes_the_second_is_named() -> None:
    p, y = samples(classes=2)
    named = calibench.evaluate(probs=p, labels=y, class_names=["well", "sick"])
    assert "class sick: " in named.verdict
    assert "well" not in named.verdict


@pytest.mark.parametrize(
    "form", [list, np.asarray, lambda words: np.asarray(words, dtype=object), lambda w: [x.encode() for x in w]]
)
def test_labels_may_be_words(form) -> None:
    p, y = samples()
    words = form([NAMES[label] for label in y])
    expected = calibench.evaluate(probs=p, labels=y, class_names=NAMES, resamples=0)
    assert calibench.evaluate(probs=p, labels=words, class_names=NAMES, resamples=0).metrics == expected.metrics
    tensor = calibench.evaluate(probs=torch.tensor(p), labels=list(words), class_names=NAMES, resamples=0)
    assert tensor.metrics == pytest.approx(expected.metrics, rel=1e-12)


def test_numbers_that_name_classes_are_names_and_no_positions() -> None:
    p, y = samples()
    years = np.array([2019, 2020, 2021])[y]
    names = ["2019", "2020", "2021"]
    expected = calibench.evaluate(probs=p, labels=y, resamples=0).metrics
    assert calibench.evaluate(probs=p, labels=years, class_names=names, resamples=0).metrics == expected


def test_a_fit_a_gate_and_thresholds_take_words() -> None:
    p, y = samples(classes=2)
    names, words = ["well", "sick"], np.array(["well", "sick"])[y]
    fitted = calibench.fit_map(probs=p, labels=words, method="beta", class_names=names)
    assert fitted.class_names == ("well", "sick")
    np.testing.assert_array_equal(fitted.probs(p), calibench.fit_map(probs=p, labels=y, method="beta").probs(p))
    given = {"fit_probs": p[:300], "fit_labels": words[:300], "class_names": names}
    after = calibench.evaluate(probs=p[300:], labels=words[300:], fit="threshold:metric=f1,positive=sick", **given)
    assert after.after is not None
    assert calibench.gate(probs=p, labels=words, class_names=names, max={"brier": 2.0}).passed
    points = calibench.thresholds(probs=p, labels=words, class_names=names, target_precision=0.5, positive="sick")
    assert points.class_names == names


def test_mistakes_are_named() -> None:
    p, y = samples()
    with pytest.raises(InputError, match=r"labels are words\ngive class_names"):
        calibench.evaluate(probs=p, labels=[NAMES[label] for label in y])
    with pytest.raises(InputError, match="2 class_names for 3 columns of scores"):
        calibench.evaluate(probs=p, labels=y, class_names=NAMES[:2])
    with pytest.raises(InputError, match=r"row 0: the label is 'horse'"):
        calibench.evaluate(probs=p, labels=["horse", *[NAMES[label] for label in y[1:]]], class_names=NAMES)


def test_groups_and_drift_know_the_classes_by_name() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(1200)
    y = (rng.random(1200) < np.where(np.arange(1200) < 600, p, p**4)).astype(int)
    kwargs = {"groups": np.where(np.arange(1200) < 600, "old", "new"), "time": np.arange(1200), "metrics": "accuracy"}
    probs = np.stack([1 - p, p], axis=1)
    record = calibench.evaluate(probs=probs, labels=y, class_names=["stay", "churn"], **kwargs)
    assert "churn" in {finding["name"] for finding in record.groups["new"]["findings"]}
    assert record.periods["drift"]["name"] in ("top label", "stay", "churn")
    three = np.concatenate([0.9 * probs, np.full((1200, 1), 0.1)], axis=1)
    record = calibench.evaluate(probs=three, labels=y, class_names=["stay", "churn", "new"], **kwargs)
    names = {finding["name"] for group in record.groups.values() for finding in group["findings"]}
    assert names <= {"top label", "stay", "churn", "new"}
    assert "churn" in names
