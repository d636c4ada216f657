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


# --- names in any form, and columns in another order ------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [np.asarray, lambda names: np.asarray(names, dtype=object), tuple, iter, lambda names: [n.encode() for n in names]],
)
def test_names_may_come_in_any_list(form) -> None:
    p, y = samples()
    words = np.asarray(NAMES)[y]
    expected = calibench.evaluate(probs=p, labels=y, class_names=NAMES, resamples=0)
    given = calibench.evaluate(probs=p, labels=words, class_names=form(NAMES), resamples=0)
    assert given.class_names == NAMES
    assert given.metrics == expected.metrics
    assert calibench.fit_map(probs=p, labels=y, method="beta", class_names=form(NAMES)).class_names == tuple(NAMES)
    assert calibench.gate(probs=p, labels=words, class_names=form(NAMES), max={"brier": 1.9}).passed
    points = calibench.thresholds(probs=p, labels=words, class_names=form(NAMES), target_precision=0.4, positive="dog")
    assert points.points[0]["positive"] == 1


def test_whole_numbers_name_classes_for_arrays_and_tensors_alike() -> None:
    p, y = samples()
    expected = calibench.evaluate(probs=p, labels=y, resamples=0).metrics
    for names in ([2, 0, 1], np.array([2, 0, 1]), ["2", "0", "1"]):
        for labels in (np.array([2, 0, 1])[y], torch.tensor([2, 0, 1])[y]):
            given = calibench.evaluate(probs=p, labels=labels, class_names=names, resamples=0)
            assert given.metrics == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("abc", "class_names is a str"),
        ({"a", "b", "c"}, "class_names is a set"),
        ({0: "a", 1: "b", 2: "c"}, "class_names is a dict"),
        (3, "class_names is a int"),
        (np.array([["a", "b", "c"]]), "class_names is a ndarray"),
        (["a", None, "c"], "the name of column 1 is missing"),
        (["a", float("nan"), "c"], "the name of column 1 is missing"),
        (["a", "a", "c"], "two classes are called 'a'"),
    ],
)
def test_what_is_no_list_of_names_is_refused(names, message: str) -> None:
    p, y = samples()
    calls = (
        lambda: calibench.evaluate(probs=p, labels=y, class_names=names),
        lambda: calibench.fit_map(probs=p, labels=y, method="beta", class_names=names),
        lambda: calibench.gate(probs=p, labels=y, class_names=names, max={"brier": 1.9}),
        lambda: calibench.thresholds(probs=p, labels=y, class_names=names),
        lambda: calibench.fit_map(probs=p, labels=y, method="beta", class_names=NAMES).probs(p, class_names=names),
    )
    for call in calls:
        with pytest.raises(InputError, match=message):
            call()


def test_a_hint_about_labels_names_no_option_of_the_command_line() -> None:
    p, y = samples()
    for names in (NAMES, [4, 5, 6]):
        labels = np.where(y == 0, "horse", str(names[1]))
        with pytest.raises(InputError) as refused:
            calibench.evaluate(probs=p, labels=labels, class_names=names)
        assert "words of class_names" in refused.value.hint
        assert "--" not in refused.value.hint


def test_a_map_finds_the_columns_of_evaluate_by_name() -> None:
    p, y = samples()
    fitted = calibench.fit_map(probs=p[:300], labels=y[:300], method="vector", class_names=NAMES)
    straight = calibench.evaluate(probs=p[300:], labels=y[300:], class_names=NAMES, map=fitted, resamples=0)
    order = [2, 0, 1]
    names = [NAMES[place] for place in order]
    words, shares = np.asarray(NAMES)[y[300:]], np.eye(3)[y[300:]] * 0.7 + 0.1
    given = {"labels": words, "class_names": names, "map": fitted, "resamples": 0}
    moved = calibench.evaluate(probs=p[300:, order], **given)
    assert moved.after is not None
    assert straight.after is not None
    assert moved.after["metrics"] == pytest.approx(straight.after["metrics"], rel=1e-12)
    assert moved.class_names == NAMES
    assert "matched by name" in moved.notes[0]
    soft = calibench.evaluate(probs=p[300:, order], soft=shares[:, order], **given)
    expected = calibench.evaluate(probs=p[300:], labels=y[300:], soft=shares, map=fitted, resamples=0)
    assert expected.after is not None
    assert soft.after is not None
    assert soft.after["metrics"]["soft_nll"] == pytest.approx(expected.after["metrics"]["soft_nll"], rel=1e-12)
    assert "by position" in expected.notes[0]
    with pytest.raises(InputError, match="the map was fitted on cat, dog, bird"):
        calibench.evaluate(probs=p, labels=y, class_names=["a", "b", "c"], map=fitted)
