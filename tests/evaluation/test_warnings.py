"""Warnings about samples and fits, and the refusal of rows that are fitted and judged."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from calibrated import draw

import calibench
from calibench.errors import InputError


@pytest.mark.slow
def test_logits_that_are_probabilities_are_named_with_their_ece() -> None:
    p, labels = draw(np.random.default_rng(0), 500, 4)
    record = calibench.evaluate(logits=p, labels=labels)
    as_probs = calibench.evaluate(probs=p, labels=labels)
    (warning,) = record.warnings
    assert "sums to 1: are they probabilities?" in warning
    assert warning.endswith(f"as probs their ECE15 is {100 * as_probs.metrics['ece15']:.2f} %")
    assert as_probs.warnings == []


@pytest.mark.slow
def test_logits_of_several_labels_that_are_probabilities_are_named() -> None:
    rng = np.random.default_rng(1)
    p = rng.random((200, 3))
    record = calibench.evaluate(logits=p, labels=(rng.random((200, 3)) < p).astype(int))
    assert any(text.startswith("all logits lie in [0, 1]") for text in record.warnings)


def test_probabilities_of_0_that_nll_clips_are_counted() -> None:
    p = np.tile([[1.0, 0.0]], (50, 1))
    record = calibench.evaluate(probs=p, labels=np.array([1, 1] + [0] * 48))
    assert "2 of 50 probabilities of the true class are below 1e-12, and NLL takes them as 1e-12" in record.warnings


@pytest.mark.filterwarnings("error")
def test_torch_warns_of_nothing() -> None:
    torch.set_warn_always(True)  # it warns once a process otherwise
    try:
        calibench.evaluate(probs=[[0.4, 0.6], [0.3, 0.7], [0.8, 0.2]], labels=[0, 1, 0], resamples=0)
    finally:
        torch.set_warn_always(False)


@pytest.mark.slow
def test_rare_labels_are_too_few_to_tell() -> None:
    rng = np.random.default_rng(2)
    p = np.stack([np.full(800, 0.3), np.full(800, 0.004), np.full(800, 0.5)], axis=1)
    record = calibench.evaluate(probs=p, labels=(rng.random((800, 3)) < p).astype(int))
    assert "too few to tell for label 1: fewer than 10 samples have it" in record.warnings
    assert [label["calibrated"] for label in record.labels] == ["no_sign", "too_few", "no_sign"]
    wrong = calibench.evaluate(probs=p[:, [0, 2]], labels=(rng.random((800, 2)) < p[:, [2, 2]]).astype(int))
    assert [label["calibrated"] for label in wrong.labels] == ["miscalibrated", "no_sign"]
    assert wrong.calibrated == "miscalibrated"
    assert "label 0: 240 predicted" in wrong.verdict


def test_the_labels_stand_in_a_table(cli, tmp_path) -> None:
    rng = np.random.default_rng(3)
    p = rng.random((300, 2))
    np.savez(tmp_path / "t.npz", probs=p, labels=(rng.random((300, 2)) < p).astype(int))
    printed = cli("evaluate", "t.npz").out
    assert "predicted" in printed
    assert "no sign of miscalibration" in printed


def test_whole_sets_rule_nothing_out(cli, tmp_path) -> None:
    p = np.tile([[0.4, 0.35, 0.25]], (60, 1))
    np.savez(tmp_path / "t.npz", probs=p, labels=np.arange(60) % 3)
    np.savez(tmp_path / "v.npz", probs=p + 0.001 * np.array([1, -1, 0]), labels=np.arange(60) % 3)
    document = cli("evaluate", "t.npz", "--fit", "conformal:alpha=0.1", "--fit-on", "v.npz", "--json").document
    assert "60 of 60 sets hold every class, so they rule nothing out" in document["after"]["warnings"]


@pytest.mark.slow
def test_a_class_that_the_fit_samples_lack_is_named_and_stays_possible() -> None:
    rng = np.random.default_rng(4)
    p, labels = draw(rng, 800, 4, sharpen=2.0)
    q, truth = draw(rng, 800, 4, sharpen=2.0)
    q, truth = q[truth != 3], truth[truth != 3]
    for recipe in ("vector", "platt", "beta", "isotonic"):
        record = calibench.evaluate(probs=p, labels=labels, fit=recipe, fit_probs=q, fit_labels=truth)
        assert any(text.startswith("class 3 is not among the samples to fit on") for text in record.warnings)
        assert record.fit["classes_kept"] == [3], recipe
        assert record.after["metrics"]["nll"] < record.metrics["nll"] + 0.05, recipe
    record = calibench.evaluate(probs=p, labels=labels, fit="temperature", fit_probs=q, fit_labels=truth)
    assert "classes_kept" not in record.fit


def test_a_class_that_is_there_is_not_kept() -> None:
    rng = np.random.default_rng(5)
    p, labels = draw(rng, 500, 3)
    q, truth = draw(rng, 500, 3)
    record = calibench.evaluate(probs=p, labels=labels, fit="vector", fit_probs=q, fit_labels=truth)
    assert "classes_kept" not in record.fit
    assert record.warnings == []


@pytest.mark.parametrize("part", [1.0, 0.1])
def test_rows_that_are_judged_may_not_be_fitted(part: float) -> None:
    rng = np.random.default_rng(6)
    p, labels = draw(rng, 300, 3)
    q, truth = draw(rng, 300, 3)
    count = int(part * 300)
    q[:count], truth[:count] = p[:count], labels[:count]
    order = rng.permutation(300)
    with pytest.raises(InputError, match=f"{count} of the 300 samples that are judged are among those to fit on"):
        calibench.evaluate(probs=p, labels=labels, fit="isotonic", fit_probs=q[order], fit_labels=truth[order])


@pytest.mark.slow
def test_rows_of_few_digits_may_coincide() -> None:
    rng = np.random.default_rng(7)

    def rounded(n: int) -> tuple[np.ndarray, np.ndarray]:
        top = np.round(rng.random(n), 2)
        return np.stack([top, 1 - top], axis=1), (rng.random(n) > top).astype(int)

    (p, labels), (q, truth) = rounded(2000), rounded(2000)
    record = calibench.evaluate(probs=p, labels=labels, fit="temperature", fit_probs=q, fit_labels=truth)
    assert record.after is not None
    order = rng.permutation(2000)
    with pytest.raises(InputError, match="2000 of the 2000 samples"):
        calibench.evaluate(probs=p, labels=labels, fit="temperature", fit_probs=p[order], fit_labels=labels[order])


def test_what_a_fit_turns_into_logits_is_judged_by_another_rule_and_said() -> None:
    rng = np.random.default_rng(2)
    p, labels = draw(rng, 400, 3)
    zero = np.arange(5)
    p[zero] = 0.5
    p[zero, labels[zero]] = 0.0
    fit_p, fit_labels = draw(rng, 300, 3)
    fit = {"fit": "temperature", "fit_probs": fit_p, "fit_labels": fit_labels}
    record = calibench.evaluate(probs=p, labels=labels, **fit)
    said = "after the fit 5 of 400 are below 1e-12, and NLL takes them as they are: from a file that apply writes"
    assert [text.startswith(said) for text in record.warnings].count(True) == 1
    inside = calibench.evaluate(probs=p[5:], labels=labels[5:], **fit)
    assert not any("after the fit" in text for text in inside.warnings)
