"""Fitting a map: the advice, shares of people, and mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from map_cases import make, softmax

import calibench
from calibench.errors import InputError, RunError


def test_auto_takes_the_map_that_evaluate_names() -> None:
    logits, labels = make(700, 0)
    test, truth = make(500, 1)
    record = calibench.evaluate(test, truth, fit="auto", fit_logits=logits, fit_labels=labels, resamples=0)
    assert record.advice is not None
    fitted = calibench.fit_map(logits, labels)
    assert fitted.recipe == record.advice["recipe"]
    assert fitted.document.fitted_on["method"] == "auto"
    assert fitted.document.fitted_on["advice"]["recipe"] == fitted.recipe
    assert record.judged_after is not None
    assert np.abs(fitted.probs(test) - np.asarray(record.judged_after.probs)).max() <= 1e-12


def test_auto_writes_no_map_where_none_helps() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(z)])
    with pytest.raises(RunError, match=r"no map helps on these samples: the best gains .* interval"):
        calibench.fit_map(z, labels)


def test_shares_of_people_are_fitted_on_as_in_evaluate() -> None:
    logits, labels = make(700, 0)
    test, truth = make(500, 1)
    soft = np.random.default_rng(0).dirichlet(np.ones(4), size=700)
    fitted = calibench.fit_map(logits, labels, method="temperature", soft=soft)
    record = calibench.evaluate(
        test, truth, fit="temperature", fit_logits=logits, fit_labels=labels, fit_soft=soft, resamples=0
    )
    assert record.judged_after is not None
    assert np.abs(fitted.probs(test) - np.asarray(record.judged_after.probs)).max() <= 1e-12
    assert fitted.document.fitted_on["labels"] == "drawn from the shares"


def test_a_seed_decides_what_is_drawn() -> None:
    logits, labels = make(700, 0)
    test, _ = make(500, 1)
    rule = "conformal:method=aps"
    first, again, other = (calibench.fit_map(logits, labels, method=rule, seed=seed) for seed in (0, 0, 1))
    sets = [fitted.decide(test).sets for fitted in (first, first, again, other)]
    assert np.array_equal(sets[0], sets[1])
    assert np.array_equal(sets[0], sets[2])
    assert not np.array_equal(sets[0], sets[3])


def test_tensors_and_lists_give_the_same_map() -> None:
    import torch

    logits, labels = make(60, 0)
    by_array = calibench.fit_map(logits, labels, method="temperature").document.stages
    assert (
        calibench.fit_map(torch.tensor(logits), torch.tensor(labels), method="temperature").document.stages == by_array
    )
    assert calibench.fit_map(logits.tolist(), labels.tolist(), method="temperature").document.stages == by_array


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give logits or probs"),
        ({"logits": [[1.0, 2.0]], "probs": [[0.5, 0.5]]}, "give logits or probs"),
        ({"logits": [[1.0, 2.0]]}, "labels are missing"),
        ({"logits": [["a", "b"]], "labels": [0]}, "numbers of type"),
        ({"logits": [[1.0, 2.0], [2.0]], "labels": [0, 1]}, "logits"),
        ({"method": "temprature"}, "did you mean 'temperature'"),
        ({"method": "ce+temperature"}, "'ce' is an objective"),
        ({"class_names": ["a", "b"]}, "2 class_names for 4 columns"),
        ({"class_names": ["a", "b", "b", "c"]}, "two classes are called 'b'"),
        ({"seed": -1}, "seed -1"),
        ({"seed": 1.5}, "seed 1.5"),
        ({"method": "cost:matrix=none.csv"}, "none.csv"),
    ],
)
def test_mistakes_are_named(arguments: dict[str, object], message: str) -> None:
    if "logits" not in arguments and arguments:
        logits, labels = make(60, 0)
        arguments = {"logits": logits, "labels": labels, **arguments}
    with pytest.raises(InputError, match=message):
        calibench.fit_map(**arguments)


def test_a_map_and_a_fit_exclude_each_other() -> None:
    logits, labels = make(60, 0)
    fitted = calibench.fit_map(logits, labels, method="temperature")
    with pytest.raises(InputError, match="give a map or a fit, not both"):
        calibench.evaluate(logits, labels, fit="temperature", cross_fit=2, map=fitted)


def test_a_map_holds_the_file_of_a_parameter(tmp_path: Path) -> None:
    costs = 1 - np.eye(4)
    np.savetxt(tmp_path / "costs.csv", costs, delimiter=",")
    logits, labels = make(60, 0)
    fitted = calibench.fit_map(logits, labels, method=f"cost:matrix={tmp_path / 'costs.csv'}")
    (tmp_path / "costs.csv").unlink()
    fitted.save(tmp_path / "map.json")
    loaded = calibench.load_map(tmp_path / "map.json")
    assert np.array_equal(loaded.decide(logits).answers, logits.argmax(axis=1))
    assert list(loaded.document.files) == ["cost.matrix.csv"]
    assert str(tmp_path) not in str(loaded.document.stages)
