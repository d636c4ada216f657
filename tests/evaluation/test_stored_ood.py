"""OOD detection from files: figures against scikit-learn, scores of outputs and stored ones, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import average_precision_score, roc_auc_score

from calibench.cli import cli
from calibench.errors import InputError


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    z, other = rng.normal(size=(300, 3)) * 3, rng.normal(size=(120, 3))
    energy_in, energy_out = -np.log(np.exp(z).sum(axis=1)), -np.log(np.exp(other).sum(axis=1))
    np.savez(tmp_path / "in.npz", logits=z, labels=z.argmax(axis=1), stored=energy_in)
    np.savez(tmp_path / "out.npz", logits=other, stored=energy_out)
    np.save(tmp_path / "out_scores.npy", energy_out)
    return tmp_path, z, other


def run(*arguments, resamples=0):
    options = ("--metrics", "accuracy", "--resamples", str(resamples))
    return CliRunner().invoke(cli, ["evaluate", *map(str, arguments), *options])


def doubt(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return 1 - p.max(axis=1)


def test_figures_are_those_of_scikit_learn(files):
    folder, z, other = files
    result = run(
        folder / "in.npz", "--ood", folder / "out.npz", "--ood-score", "max-softmax,energy", "--json", resamples=1000
    )
    softmax, energy = json.loads(result.stdout)["ood"]
    inside = np.repeat([1, 0], [300, 120])
    sure = -np.concatenate([doubt(z), doubt(other)])
    assert softmax["metrics"]["auroc"] == pytest.approx(roc_auc_score(inside, sure), abs=1e-9)
    assert softmax["metrics"]["aupr"] == pytest.approx(average_precision_score(inside, sure), abs=1e-9)
    assert softmax["metrics"]["aupr_out"] == pytest.approx(average_precision_score(1 - inside, -sure), abs=1e-9)
    low, high = softmax["intervals"]["auroc"]
    assert low < softmax["metrics"]["auroc"] < high
    assert (softmax["n_in"], softmax["n_out"], softmax["set"]) == (300, 120, "out")
    assert softmax["mean_confidence"] == pytest.approx(1 - doubt(other).mean())
    both = np.log(np.exp(np.concatenate([z, other])).sum(axis=1))
    assert energy["metrics"]["auroc"] == pytest.approx(roc_auc_score(inside, both), abs=1e-6)


def test_a_stored_score_is_read_from_both_files_and_from_a_npy(files):
    folder, *_ = files
    result = run(
        folder / "in.npz",
        "--ood",
        folder / "out.npz",
        "--ood",
        folder / "out_scores.npy",
        "--ood-score",
        "stored",
        "--json",
    )
    document = json.loads(result.stdout)
    first, second = document["ood"]
    assert first["metrics"] == second["metrics"]
    assert first["mean_confidence"] is None
    by_name = run(folder / "in.npz", "--ood", folder / "out.npz", "--ood-score", "energy", "--json")
    assert json.loads(by_name.stdout)["ood"][0]["metrics"]["auroc"] == pytest.approx(
        first["metrics"]["auroc"], abs=1e-6
    )
    assert not [text for text in document["warnings"] if "stored" in text]


def test_a_score_the_wrong_way_round_is_a_warning(files):
    folder, z, _ = files
    np.savez(folder / "in2.npz", logits=z, labels=z.argmax(axis=1), right=np.arange(300.0) + 1000)
    np.savez(folder / "out2.npz", right=np.arange(120.0))
    text = run(folder / "in2.npz", "--ood", folder / "out2.npz", "--ood-score", "right").stdout
    assert "store its negative" in text


def test_refusals(files):
    folder, _, other = files
    np.savez(folder / "wide.npz", logits=np.zeros((5, 4)))
    cases = {
        ("--ood", folder / "wide.npz"): "has 4 classes",
        ("--ood", folder / "out.npz", "--ood-score", "enrgy"): "no score of outputs",
        ("--ood", folder / "out.npz", "--weights", "stored"): "--ood counts all rows alike",
        ("--ood", folder / "none.npz"): "there is no file",
    }
    for options, says in cases.items():
        result = run(folder / "in.npz", *options)
        assert isinstance(result.exception, InputError), result.exception
        assert says in str(result.exception)
    np.savez(folder / "nan.npz", logits=other, stored=np.full(120, np.nan))
    result = run(folder / "in.npz", "--ood", folder / "nan.npz", "--ood-score", "stored")
    assert "row 0: stored is NaN" in str(result.exception)


def test_a_table_without_labels_has_the_classes_of_its_columns(files):
    """`prob_cat` of a file without labels is the class `cat` of one with labels, in whatever order; and cells are numbers."""
    folder, z, other = files
    inside, outside = (np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) for x in (z, other))
    names, order = ["prob_cat", "prob_dog", "prob_fox"], [2, 0, 1]

    def write(name, columns, rows, last):
        lines = [",".join([*map(repr, row), cell]) for row, cell in zip(rows.tolist(), last, strict=True)]
        (folder / name).write_text("\n".join([",".join(columns), *lines]) + "\n")

    words = [f"{name[5:]},{row}" for name, row in zip(np.array(names)[z.argmax(axis=1)], range(300), strict=True)]
    write("in.csv", [*names, "label", "age"], inside, words)
    write("out.csv", [*names, "age"], outside, map(str, range(120)))
    write("moved.csv", [*(names[k] for k in order), "age"], outside[:, order], map(str, range(120)))
    expected = roc_auc_score(np.r_[np.ones(300), np.zeros(120)], -np.r_[doubt(z), doubt(other)])
    for name in ("out.csv", "moved.csv"):
        result = run(folder / "in.csv", "--ood", folder / name, "--json")
        (row,) = json.loads(result.stdout)["ood"]
        assert row["metrics"]["auroc"] == pytest.approx(expected, abs=1e-6)
    (row,) = json.loads(run(folder / "in.csv", "--ood", folder / "out.csv", "--ood-score", "age", "--json").stdout)[
        "ood"
    ]
    assert row["metrics"]["auroc"] == pytest.approx(
        roc_auc_score(np.r_[np.ones(300), np.zeros(120)], -np.r_[range(300), range(120)])
    )
    write("others.csv", ["prob_cat", "prob_dog", "prob_cow", "age"], outside, map(str, range(120)))
    assert "prob_cow" in str(run(folder / "in.csv", "--ood", folder / "others.csv").exception)
    write("words.csv", [*names, "age"], outside, ["old"] * 120)
    result = run(folder / "in.csv", "--ood", folder / "words.csv", "--ood-score", "age")
    assert "row 0: age is 'old', no number" in str(result.exception)
