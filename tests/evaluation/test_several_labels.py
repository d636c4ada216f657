"""`calibench evaluate` of samples with several labels."""

from __future__ import annotations

import numpy as np
import pytest

from calibench import evaluate


@pytest.fixture(scope="module")
def logits_and_labels():
    """400 samples with three labels; the logits are twice too large."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(400, 3)) * 2
    labels = (rng.random((400, 3)) < 1 / (1 + np.exp(-logits / 2))).astype(int)
    return logits, labels


@pytest.mark.slow
def test_from_python_with_a_fit(logits_and_labels) -> None:
    x, y = logits_and_labels
    record = evaluate(logits=x[:200], labels=y[:200], fit="temperature", fit_logits=x[200:], fit_labels=y[200:])
    assert (record.n, record.classes, record.labels_per_sample) == (200, 2, 3)
    assert record.fit["temperature"] == pytest.approx(2, rel=0.3)
    assert record.fit["n"] == 200
    assert record.after["metrics"]["nll"] < record.metrics["nll"]
    probs = 1 / (1 + np.exp(-x[:200]))
    assert evaluate(probs=probs, labels=y[:200]).metrics["nll"] == pytest.approx(record.metrics["nll"])


@pytest.mark.slow
def test_from_files_with_a_decision_rule(cli, logits_and_labels, tmp_path) -> None:
    x, y = (array[:200] for array in logits_and_labels)
    np.savez(tmp_path / "t.npz", logits=x, labels=y, class_names=["z_a", "z_b", "z_c"])
    rows = [",".join([*(f"{v:.17g}" for v in a), *map(str, b)]) for a, b in zip(x, y, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["z_a,z_b,z_c,y_a,y_b,y_c", *rows]))
    options = ("--fit", "sigmoid-threshold:values=0.2;0.4;0.4", "--json")
    from_npz = cli("evaluate", "t.npz", *options).document
    from_csv = cli("evaluate", "t.csv", "--logits", "z_*", "--labels", "y_*", *options).document
    of_file = {"file", "sha256", "class_names", "notes"}
    assert {k: v for k, v in from_npz.items() if k not in of_file} == {
        k: v for k, v in from_csv.items() if k not in of_file
    }
    probs = 1 / (1 + np.exp(-x))
    nll = -np.log(np.where(y == 1, probs, 1 - probs)).mean()
    assert from_npz["metrics"]["nll"] == pytest.approx(nll, rel=1e-12)
    decisions = probs >= [0.2, 0.4, 0.4]
    assert from_npz["after"]["metrics"]["exact_match"] == pytest.approx((decisions == y).all(axis=1).mean())


def test_the_title_states_the_labels_per_sample(cli, logits_and_labels, tmp_path) -> None:
    x, y = (array[:50] for array in logits_and_labels)
    np.savez(tmp_path / "t.npz", logits=x, labels=y)
    assert "50 samples, 3 labels each, judged as yes-or-no questions" in cli("evaluate", "t.npz").out
