"""Faults of judgements in version 0.1.0, after public bug reports: on data made here, and on shared/cases where present."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"


def present(name):
    if not (CASES / name).exists():
        pytest.skip(f"there is no {CASES / name}")
    return CASES / name


def judged(cli, *args):
    ran = cli("evaluate", *args, "--json")
    assert ran.code == 0, ran.err
    return ran.document


def is_named(document):
    """Class 1 is named before and after a temperature, and the advice moves a bias."""
    for judgement in (document, document["after"]):
        assert judgement["calibrated"] == "miscalibrated"
        (finding,) = [finding for finding in judgement["findings"] if finding["kind"] == "class"]
        assert finding["name"] == "1"
        assert finding["predicted"] > 5 * finding["observed"]
        assert f"class 1: {finding['predicted']:.0f} predicted" in judgement["verdict"]
    assert document["advice"]["recipe"] in ("platt", "beta", "vector", "isotonic")


@pytest.mark.slow
def test_a_bias_of_the_rare_class_is_named(cli, tmp_path):
    source = np.random.default_rng(0)
    for name in ("test", "val"):
        rate = 1 / (1 + np.exp(-(source.normal(size=8000) * 1.5 - 7)))
        labels = (source.random(8000) < rate).astype(int)
        labels[:2] = 1, 0
        logits = np.log(rate / (1 - rate)) + np.log(100)
        np.savez(tmp_path / f"{name}.npz", logits=np.stack([0 * logits, logits], axis=1), labels=labels)
    is_named(judged(cli, "test.npz", "--fit", "temperature", "--fit-on", "val.npz"))


@pytest.mark.slow
def test_special_rpw(cli):
    is_named(
        judged(cli, present("special_rpw_test.npz"), "--fit", "temperature", "--fit-on", CASES / "special_rpw_val.npz")
    )


def test_a_shuffled_copy_to_fit_on_is_refused(refused, tmp_path, samples):
    logits, labels = samples(200, 5, seed=1)
    order = np.random.default_rng(0).permutation(200)
    np.savez(tmp_path / "a.npz", logits=logits, labels=labels)
    np.savez(tmp_path / "b.npz", logits=logits[order], labels=labels[order])
    says = "200 of the 200 samples that are judged are among those to fit on"
    refused("evaluate", "a.npz", "--fit", "isotonic", "--fit-on", "b.npz", says=says)


def test_leak(refused):
    leak = present("leak_test.npz")
    says = "300 of the 300 samples"
    refused("evaluate", leak, "--fit", "isotonic", "--fit-on", CASES / "leak_shuffled.npz", says=says)


def test_a_class_that_the_rows_to_fit_on_lack_is_named_and_kept(cli, tmp_path, samples):
    logits, labels = samples(400, 4, seed=2)
    np.savez(tmp_path / "test.npz", logits=logits, labels=labels)
    logits, labels = samples(400, 4, seed=3)
    np.savez(tmp_path / "val.npz", logits=logits[labels != 2], labels=labels[labels != 2])
    document = judged(cli, "test.npz", "--fit", "vector", "--fit-on", "val.npz")
    assert any("class 2 is not among the samples to fit on" in text for text in document["warnings"])
    assert document["after"]["metrics"]["nll"] < document["metrics"]["nll"] + 0.05


@pytest.mark.slow
def test_special_mc(cli):
    document = judged(cli, present("special_mc_test.npz"), "--fit", "vector", "--fit-on", CASES / "special_mc_val.npz")
    assert any("not among the samples to fit on" in text for text in document["warnings"])
    assert document["after"]["metrics"]["nll"] < 1.6


def test_rare_labels_are_said_to_be_too_few(cli, tmp_path):
    source = np.random.default_rng(4)
    probs = np.concatenate([source.random((500, 3)), source.random((500, 1)) * 0.01], axis=1)
    labels = (source.random((500, 4)) < probs).astype(int)
    labels[:3, 3] = 1
    np.savez(tmp_path / "a.npz", probs=probs, labels=labels)
    document = judged(cli, "a.npz")
    assert [label["name"] for label in document["labels"]] == ["0", "1", "2", "3"]
    assert document["labels"][3]["calibrated"] == "too_few"
    assert any("too few to tell for label 3" in text for text in document["warnings"])


def test_multilabel_ml_rare(cli):
    document = judged(cli, present("multilabel_ml_rare.npz"))
    assert len(document["labels"]) == 4
    never = document["labels"][3]  # predicted 200 times, and nobody has it
    assert (never["calibrated"], never["observed"]) == ("miscalibrated", 0)


def f1(answers, labels, k=1):
    hits = ((answers == k) & (labels == k)).sum()
    return 2 * hits / ((answers == k).sum() + (labels == k).sum())


@pytest.mark.parametrize("where", ["made", "shared"])
def test_a_fitted_threshold_decides(where, cli, tmp_path):
    folder = tmp_path
    if where == "shared":
        folder = present("thresholds_test.npz").parent
    else:
        source = np.random.default_rng(5)
        for name in ("test", "val"):
            p = 1 / (1 + np.exp(-(source.normal(size=2000) - 2.2)))
            labels = (source.random(2000) < p).astype(int)
            np.savez(tmp_path / f"thresholds_{name}.npz", probs=np.stack([1 - p, p], axis=1), labels=labels)
    fit = ("--fit", "threshold:metric=f1", "--fit-on", folder / "thresholds_val.npz")
    document = judged(cli, folder / "thresholds_test.npz", *fit, "--metrics", "f1", "--resamples", "0")
    with np.load(folder / "thresholds_test.npz") as arrays:
        probs, labels = arrays["probs"], arrays["labels"]
    (threshold,) = [value for value in document["fit"]["thresholds"] if value < 0.5][:1]
    answers = (probs[:, 1] >= threshold).astype(int)
    assert f1(answers, labels) > f1(probs.argmax(axis=1), labels) + 0.03
    if where == "shared":
        assert f1(answers, labels) == pytest.approx(0.543, abs=5e-4)
        assert threshold == pytest.approx(0.304, abs=5e-4)
    macro = (f1(answers, labels, 0) + f1(answers, labels)) / 2
    assert document["after"]["metrics"]["f1"] == pytest.approx(macro, abs=1e-12)
