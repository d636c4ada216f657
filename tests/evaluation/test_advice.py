"""Advice: the map that cures these outputs, or none; cross-fitting uses no sample for its own map."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from calibrated import draw

import calibench
from calibench.config.resolve import resolve_chain
from calibench.errors import InputError
from calibench.evaluation.advice import advise, maps_to_try, rows_to_compare
from calibench.evaluation.cross_fit import cross_fitted, fold_of
from calibench.outputs.outputs import Outputs


def samples(p, labels):
    return Outputs(torch.tensor(p), True), torch.tensor(labels)


def test_the_maps_are_offered_by_plugins_the_simplest_first() -> None:
    names = [spec.name for spec in maps_to_try()]
    assert names[0] == "temperature"
    assert {"platt", "beta", "vector", "isotonic"} <= set(names)


@pytest.mark.slow
def test_an_over_confident_model_gets_a_temperature() -> None:
    advice = advise(samples(*draw(np.random.default_rng(0), 1500, 5, sharpen=2.0)))
    assert advice["recipe"] == "temperature"
    low, high = advice["interval"]
    assert 0 < low < advice["nll_gain"] < high
    assert (advice["samples"], advice["folds"]) == (1500, 5)
    assert advice["gains"]["temperature"] == advice["nll_gain"]


@pytest.mark.slow
def test_a_biased_class_gets_a_map_that_moves_a_bias() -> None:
    advice = advise(samples(*draw(np.random.default_rng(1), 2000, 2, over_predict=8.0)))
    assert advice["recipe"] in {"platt", "beta", "vector", "isotonic"}
    assert advice["gains"]["temperature"] < advice["nll_gain"] / 2


@pytest.mark.slow
def test_a_map_that_cannot_be_fitted_has_a_reason() -> None:
    """With every answer right, the NLL falls with the temperature."""
    p, _ = draw(np.random.default_rng(11), 60, 3)
    advice = advise(samples(p, p.argmax(axis=1)))
    assert "still falls at T = 1/50" in advice["not_fitted"]["temperature"]
    assert set(advice["gains"]) & set(advice["not_fitted"]) == set()
    alone = advise(samples(p[:1], np.array([0])))
    assert (alone["recipe"], alone["gains"], alone["samples"]) == (None, {}, 1)


@pytest.mark.slow
def test_nothing_helps_a_calibrated_model() -> None:
    rng = np.random.default_rng(2)
    helped = [advise(samples(*draw(rng, 400, 3)))["recipe"] for _ in range(12)]
    assert helped.count(None) >= 10


@pytest.mark.slow
def test_advice_is_in_the_record_unless_there_is_no_sign(cli, tmp_path) -> None:
    p, labels = draw(np.random.default_rng(3), 900, 3, sharpen=2.0)
    record = calibench.evaluate(probs=p, labels=labels)
    assert record.advice["recipe"] == "temperature"
    np.savez(tmp_path / "sharp.npz", probs=p, labels=labels)
    printed = cli("evaluate", "sharp.npz").out
    assert "advice: temperature lowers NLL by" in printed
    assert "--fit temperature --fit-on VALFILE" in printed
    assert cli("evaluate", "sharp.npz", "--json").document["advice"] == record.to_dict()["advice"]
    p, labels = draw(np.random.default_rng(5), 900, 3)
    assert calibench.evaluate(probs=p, labels=labels).advice is None


@pytest.mark.slow
def test_fit_auto_takes_the_advice(cli, tmp_path) -> None:
    rng = np.random.default_rng(6)
    for name in ("test", "val"):
        p, labels = draw(rng, 1200, 4, sharpen=2.0)
        np.savez(tmp_path / f"{name}.npz", probs=p, labels=labels)
    document = cli("evaluate", "test.npz", "--fit", "auto", "--fit-on", "val.npz", "--json").document
    assert document["fit"]["recipe"] == document["advice"]["recipe"] == "temperature"
    assert document["calibrated"] == "miscalibrated"
    assert document["after"]["calibrated"] == "no_sign"
    assert document["after"]["metrics"]["nll"] < document["metrics"]["nll"]


@pytest.mark.slow
def test_fit_auto_leaves_outputs_that_no_map_improves() -> None:
    rng = np.random.default_rng(7)
    (p, labels), (q, truth) = draw(rng, 500, 3), draw(rng, 500, 3)
    record = calibench.evaluate(probs=p, labels=labels, fit="auto", fit_probs=q, fit_labels=truth)
    assert record.fit == {"recipe": "auto", "chosen": None}
    assert record.after is None


@pytest.mark.slow
def test_cross_fitting_inside_one_file(cli, tmp_path) -> None:
    p, labels = draw(np.random.default_rng(8), 1000, 4, sharpen=2.0)
    np.savez(tmp_path / "t.npz", probs=p, labels=labels)
    document = cli("evaluate", "t.npz", "--fit", "temperature", "--cross-fit", "5", "--json").document
    assert document["fit"] == {"recipe": "temperature", "cross_fit": 5, "n": 1000}
    assert document["after"]["metrics"]["accuracy"] == document["metrics"]["accuracy"]
    assert document["after"]["calibrated"] == "no_sign"
    assert (
        "fit temperature: cross_fit 5, n 1000"
        in cli("evaluate", "t.npz", "--fit", "temperature", "--cross-fit", "5").out
    )


def test_no_sample_is_mapped_by_a_fit_that_saw_it() -> None:
    """A change of one sample's label changes the maps of the other folds alone."""
    p, labels = draw(np.random.default_rng(9), 60, 3, sharpen=2.0)
    chain = resolve_chain("temperature", ("calibrator",), "test")
    fold = fold_of(labels, 3)
    before = cross_fitted(chain, samples(p, labels), fold).probs()
    changed = labels.copy()
    changed[0] = (labels[0] + 1) % 3
    after = cross_fitted(chain, samples(p, changed), fold).probs()
    same = (before == after).all(dim=1).numpy()
    assert same.tolist() == (fold == fold[0]).tolist()


def test_folds_are_even_in_every_class() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 7])
    fold = fold_of(labels, 5, seed=3)
    for k in range(3):
        counts = np.bincount(fold[labels == k], minlength=5)
        assert counts.max() - counts.min() <= 1
    assert (fold_of(labels, 5, seed=3) == fold).all()


@pytest.mark.parametrize(("folds", "n"), [(1, 10), (11, 10), (0, 10)])
def test_folds_that_cannot_be(folds: int, n: int) -> None:
    with pytest.raises(InputError, match=f"{folds} folds of {n} samples"):
        fold_of(np.zeros(n, dtype=int), folds)


def test_mistakes_are_refused(refused, tmp_path) -> None:
    p, labels = draw(np.random.default_rng(10), 100, 3)
    np.savez(tmp_path / "t.npz", probs=p, labels=labels)
    refused("evaluate", "t.npz", "--fit", "auto", says="fit auto needs samples to fit on", hint="--cross-fit 5")
    refused("evaluate", "t.npz", "--cross-fit", "5", says="folds and nothing to fit", hint="--fit auto")
    refused("evaluate", "t.npz", "--fit", "temperature", "--cross-fit", "1", says="1 folds of 100 samples")
    refused("evaluate", "t.npz", "--fit", "temperature+threshold:value=0.5", "--cross-fit", "5", says="decision rule")
    both = ("--cross-fit", "5", "--fit-on", "t.npz")
    refused(
        "evaluate", "t.npz", "--fit", "temperature", *both, says="there are samples to fit on", hint="one of the two"
    )


def test_maps_of_every_class_need_samples_of_every_class() -> None:
    """With 6 samples a class a map of each class fits noise, and fitting it for a thousand classes takes most of a minute."""
    generator = np.random.default_rng(0)
    logits = 3 * generator.normal(size=(300, 50))
    heard: list[str] = []
    given = Outputs(torch.tensor(logits)), torch.tensor((logits / 2 + generator.gumbel(size=(300, 50))).argmax(axis=1))
    advice = advise(given, report=lambda what, done, total, note: heard.append(note))
    assert set(advice["gains"]) == {"temperature"}
    assert advice["recipe"] == "temperature"
    assert advice["not_fitted"]["vector"] == "6 samples a class are compared, and it needs 10"
    assert set(advice["not_fitted"]) == {"platt", "beta", "vector", "isotonic"}
    assert heard == ["temperature", "platt", "beta", "vector", "isotonic"]


@pytest.mark.parametrize(
    ("n", "scores", "compared"), [(500, 3, 500), (10**6, 2, 20_000), (10**6, 100, 2_000), (10**6, 20, 10_000)]
)
def test_the_maps_are_compared_on_few_samples(n: int, scores: int, compared: int) -> None:
    rows = rows_to_compare(n, scores, 0)
    assert len(rows) == compared
    assert (np.diff(rows) > 0).all()
    assert rows[-1] < n
