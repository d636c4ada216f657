"""Faults of version 0.1.0, after public bug reports: each on data made here, and on the files of shared/cases where present."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
FIGURES = ("--resamples", "0", "--json")


def ece15(probs, labels):
    """An independent ECE15: bins `(lo, hi]`."""
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * 15).astype(int) - 1, 0, 14)
    return sum(abs(confidence[place == b].sum() - right[place == b].sum()) for b in range(15)) / len(labels)


def drawn(n, classes, seed, scale=2.0):
    """Over-confident probabilities with labels."""
    source = np.random.default_rng(seed)
    logits = source.normal(size=(n, classes)) * scale
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    softer = np.exp(logits / 2) / np.exp(logits / 2).sum(axis=1, keepdims=True)
    return probs, (softer.cumsum(axis=1) > source.random((n, 1))).argmax(axis=1)


def write(path, names, scores, labels):
    rows = [f"{label},{','.join(map(repr, map(float, row)))}" for label, row in zip(labels, scores, strict=True)]
    path.write_text("\n".join([f"label,{','.join(names)}", *rows]) + "\n")


def judged(cli, *args):
    ran = cli("evaluate", *args)
    assert ran.code == 0, ran.err
    return ran.document


def is_right(document, probs, labels):
    assert document["metrics"]["accuracy"] == pytest.approx((probs.argmax(axis=1) == labels).mean(), abs=1e-12)
    assert document["metrics"]["ece15"] == pytest.approx(ece15(probs, labels), abs=1e-9)


def test_stars_from_1_to_5_where_nobody_gave_5(cli, tmp_path):
    probs, labels = drawn(400, 5, 0)
    probs, labels = probs[labels < 4], labels[labels < 4]
    write(tmp_path / "a.csv", "12345", probs, labels + 1)
    is_right(judged(cli, "a.csv", *FIGURES), probs, labels)


@pytest.mark.parametrize("prefix", ["prob_", "", "p"])
def test_columns_in_the_order_of_text(prefix, cli, tmp_path):
    probs, labels = drawn(400, 12, 1)
    order = sorted(range(12), key=str)
    write(tmp_path / "a.csv", [f"{prefix}{k}" for k in order], probs[:, order], labels)
    is_right(judged(cli, "a.csv", *FIGURES), probs, labels)


def test_samples_to_fit_on_with_columns_in_another_order(cli, tmp_path):
    names = np.array(["cat", "dog", "fox"])
    for name, seed, order in (("test", 2, [0, 1, 2]), ("val", 3, [0, 1, 2]), ("other", 3, [2, 0, 1])):
        probs, labels = drawn(300, 3, seed)
        write(tmp_path / f"{name}.csv", names[order], probs[:, order], names[labels])
    same, other = (
        judged(cli, "test.csv", "--fit", "vector", "--fit-on", f"{fit}.csv", *FIGURES) for fit in ("val", "other")
    )
    assert other["after"]["metrics"] == pytest.approx(same["after"]["metrics"], abs=1e-9)
    assert any("by name" in note for note in other["notes"])
    assert not any("by name" in note for note in same["notes"])


def test_samples_to_fit_on_of_other_classes_are_refused(refused, tmp_path):
    probs, labels = drawn(60, 3, 4)
    write(tmp_path / "test.csv", ["cat", "dog", "fox"], probs, np.array(["cat", "dog", "fox"])[labels])
    write(tmp_path / "val.csv", ["cat", "dog", "eel"], probs[::-1], np.array(["cat", "dog", "eel"])[labels[::-1]])
    says = ("val.csv has the classes cat, dog, eel", "test.csv cat, dog, fox")
    refused("evaluate", "test.csv", "--fit", "temperature", "--fit-on", "val.csv", says=says, hint="--classes")


def test_confidence_and_correctness_alone(cli, refused, tmp_path):
    source = np.random.default_rng(5)
    confidence = source.random(600)
    correct = (source.random(600) < confidence * 0.8).astype(int)
    np.savez(tmp_path / "a.npz", confidence=confidence, correct=correct)
    document = judged(cli, "a.npz", "--json")
    place = np.clip(np.ceil(confidence * 15).astype(int) - 1, 0, 14)
    gaps = [abs((confidence - correct)[place == b].sum()) for b in range(15)]
    assert document["metrics"]["accuracy"] == pytest.approx(correct.mean())
    assert document["metrics"]["ece15"] == pytest.approx(sum(gaps) / 600)
    assert not {"nll", "brier", "classwise_ece15"} & set(document["metrics"])
    assert document["calibrated"] == "miscalibrated"
    assert [finding["name"] for finding in document["findings"]] == ["top label"]
    assert "left out" in document["notes"][0]
    refused(
        "evaluate",
        "a.npz",
        "--metrics",
        "brier",
        says="metric 'brier' needs the probabilities of all classes",
        hint="ece15",
    )
    refused(
        "evaluate",
        "a.npz",
        "--fit",
        "temperature",
        "--cross-fit",
        "5",
        says="fit temperature needs the probabilities of all",
    )
    calm = (source.random(600) < confidence).astype(int)
    np.savez(tmp_path / "b.npz", confidence=confidence, correct=calm)
    assert judged(cli, "b.npz", "--json")["calibrated"] != "miscalibrated"


def test_probabilities_given_as_logits_are_named(cli, tmp_path):
    probs, labels = drawn(300, 4, 6)
    np.savez(tmp_path / "a.npz", softmax=probs, labels=labels)
    (warning,) = [
        text for text in judged(cli, "a.npz", "--logits", "softmax", *FIGURES)["warnings"] if "probabilities" in text
    ]
    assert f"as probs their ECE15 is {100 * ece15(probs, labels):.2f} %" in warning


def test_arrays_that_are_not_used_are_named(cli, tmp_path):
    probs, labels = drawn(60, 3, 7)
    np.savez(tmp_path / "a.npz", probs=probs, labels=labels, sample_weight=np.ones(60), group=labels)
    assert "not used of this file: sample_weight, group" in judged(cli, "a.npz", *FIGURES)["warnings"]
    assert judged(cli, "a.npz", *FIGURES)["notes"] == [
        "classes are matched by position: the file does not name them; --classes does"
    ]


def test_the_notes_stand_under_the_title(cli, tmp_path):
    probs, labels = drawn(60, 3, 8)
    write(tmp_path / "a.csv", ["cat", "dog", "fox"], probs, labels)
    lines = cli("evaluate", "a.csv", "--resamples", "0").out.splitlines()
    assert lines[0] == "a.csv: 60 samples, 3 classes"
    assert lines[1].startswith("note: labels are numbers, so classes are matched by position: 0 is the column 'cat'")


def test_each_member_of_an_ensemble(cli, tmp_path):
    probs, labels = drawn(200, 3, 9)
    other, _ = drawn(200, 3, 10)
    np.savez(tmp_path / "a.npz", probs=np.stack([probs, other]), labels=labels)
    document = judged(cli, "a.npz", "--combine", "each", *FIGURES)
    for member, scores in zip(document["evaluations"], (probs, other), strict=True):
        is_right(member, scores, labels)
    is_right(judged(cli, "a.npz", "--combine", "mean", *FIGURES), (probs + other) / 2, labels)


def test_soft_labels_alone(cli, tmp_path):
    probs, _ = drawn(200, 3, 11)
    counts = np.random.default_rng(0).multinomial(50, [1 / 3] * 3, size=200)
    np.savez(tmp_path / "a.npz", probs=probs, counts=counts)
    document = judged(cli, "a.npz", *FIGURES)
    shares = counts / 50
    assert document["metrics"]["soft_nll"] == pytest.approx(-(shares * np.log(probs)).sum(axis=1).mean())
    is_right(document, probs, counts.argmax(axis=1))


SHARED = {
    "order_stars.csv": ([], {"accuracy": 0.6770}),
    "order_sorted_prefix.csv": ([], {"accuracy": 0.6312}),
    "order_right.csv": ([], {"accuracy": 0.6312}),
    "csv_logits_index_int.csv": ([], {"accuracy": 0.7017}),
    "csv_semi.csv": ([], {"accuracy": 0.7017}),
    "special_conf.npz": ([], {"accuracy": 0.4217, "ece15": 0.1201}),
    "special_ds.npz": ([], {"ece15": 0.0194}),
    "binary1_one.csv": ([], {"accuracy": 0.77}),
    "binary1_z2d1.npz": ([], {"accuracy": 0.77}),
    "labels_str.npz": ([], {"accuracy": 0.7017}),
    "labels_names_prefix.csv": ([], {"accuracy": 0.7017}),
    "shapes_ignore.npz": (["--ignore", "-100"], {}),
    "torchfiles_bf16.pt": ([], {"accuracy": 0.7533}),
    "torchfiles_lmeval.jsonl": ([], {}),
}
"""Options, and the figures that the README of the folder has, or that follow from the data."""


@pytest.mark.parametrize("name", SHARED)
def test_the_files_of_shared_cases(name, cli):
    if not (CASES / name).exists():
        pytest.skip(f"there is no {CASES / name}")
    options, figures = SHARED[name]
    document = judged(cli, CASES / name, *options, *FIGURES)
    for figure, value in figures.items():
        assert document["metrics"][figure] == pytest.approx(value, abs=6e-5)


def test_reordered_columns_of_shared_cases(cli):
    if not CASES.exists():
        pytest.skip(f"there is no {CASES}")
    fit = ("--fit", "vector", "--fit-on", CASES / "reorder_val_other_order.csv")
    after = judged(cli, CASES / "reorder_test.csv", *fit, *FIGURES)["after"]["metrics"]
    assert after["accuracy"] == pytest.approx(0.744, abs=1e-4)
    assert after["nll"] == pytest.approx(0.60, abs=5e-3)
