"""Runs on samples with several labels: how answers are judged and decided, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from calibench import InputError, run
from calibench.evaluation.judge import judge
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.outputs.several_labels import yes_no_outputs
from calibench.records.record import ResultRecord
from calibench.records.store import read_predictions

N, LABELS = 900, ("hot", "wet", "far")


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """14 numbers and three labels per row; each label is the noisy side of a plane, so a row may have none or all."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 14))
    y = (x @ rng.normal(size=(14, 3)) + rng.logistic(size=(N, 3)) > [0.0, 1.5, -1.0]).astype(int)
    file = tmp_path_factory.mktemp("labels") / "t.csv"
    head = [f"f{i}" for i in range(14)] + list(LABELS)
    lines = [",".join(map(str, [*row, *answers])) for row, answers in zip(x.round(4), y, strict=True)]
    file.write_text("\n".join([",".join(head), *lines]))
    return file


def run_on(table: Path, method: str, results: Path, **options: Any) -> ResultRecord:
    options = {"model": "mlp:hidden=20", "epochs": 30, **options}
    return run(method, f"csv:path={table},label={';'.join(LABELS)}", results=results, **options)


@pytest.mark.slow
def test_a_run_from_a_table(table: Path, tmp_path: Path) -> None:
    limits = (0.2, 0.5, 0.7)
    record = run_on(table, "bce+sigmoid-threshold:values=0.2;0.5;0.7", tmp_path)
    assert record.data["classes"] == 2
    assert record.data["questions"] == 3
    stored = read_predictions(tmp_path, record)
    x, y = stored["test.logits"].astype(np.float64), stored["test.labels"]
    assert x.shape == y.shape == (record.n["test"], 3)
    p = 1 / (1 + np.exp(-x))
    decisions = (p >= limits).astype(int)
    np.testing.assert_array_equal(stored["test.decisions"], decisions)
    assert record.metrics["accuracy"] == pytest.approx(((p > 0.5) == y).mean(), abs=1e-12)
    assert record.metrics["nll"] == pytest.approx(-np.log(np.where(y == 1, p, 1 - p)).mean(), rel=1e-6)
    assert record.metrics["selective_risk"] == pytest.approx((decisions != y).mean(), abs=1e-12)
    assert record.metrics["coverage"] == 1
    assert record.metrics["exact_match"] == pytest.approx((decisions == y).all(axis=1).mean(), abs=1e-12)
    assert record.metrics["macro_f1"] == pytest.approx(f1_score(y, decisions, average="macro"), abs=1e-12)
    assert record.details["macro_f1"]["by_label"] == pytest.approx(f1_score(y, decisions, average=None), abs=1e-12)
    assert record.metrics["accuracy"] > 0.7, "the network has learned"
    assert any("'wet': yes is 1, no is 0" in note for note in record.data["notes"])
    again = judge(
        Judged(
            yes_no_outputs(torch.from_numpy(stored["test.logits"])), torch.from_numpy(y).flatten(), decisions.flatten()
        ),
        load_metrics(),
    )
    assert again.metrics == record.metrics
    assert again.intervals == record.intervals


@pytest.mark.slow
@pytest.mark.parametrize("method", ["bce+temperature", "bce+ensemble:members=2+isotonic", "bce+mc-dropout:samples=3"])
def test_stages_after_bce(method: str, table: Path, tmp_path: Path) -> None:
    model = "mlp:hidden=20,dropout=0.2" if "dropout" in method else "mlp:hidden=20"
    record = run_on(table, f"{method}+threshold:target_coverage=0.7", tmp_path, model=model)
    assert record.metrics["selective_risk"] < 1 - record.metrics["accuracy"], "the rule abstains on uncertain samples"
    assert 0.6 < record.metrics["coverage"] < 1, "ties in the score may accept more than the target"
    assert read_predictions(tmp_path, record, names=("test.decisions",))["test.decisions"].shape[1] == 3


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("ce", {}, "'ce' trains one class a row; rows of dataset 'csv' have 3 labels each"),
        ("noise-ce:rate=0.1", {}, "trains one class a row"),
        ("bce+vtst", {}, "'vtst' trains one class a row"),
        ("bce", {"noise": "symmetric:rate=0.1"}, "'symmetric' draws one class index a row"),
        ("bce+sigmoid-threshold:values=0.2;0.5", {}, "2 values for 3 classes or labels"),
    ],
)
def test_methods_for_one_label_are_refused(
    method: str, options: dict[str, Any], message: str, table: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        run_on(table, method, tmp_path / "r", **options)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("text", "label", "message"),
    [
        ("a,p,q\n1,0,1\n2,1,2\n3,0,0\n", "p;q", "label 'q' holds 3 different values"),
        ("a,p,q\n1,0,1\n2,1,0\n", "p;r", "there is no column 'r'"),
        ("a,p,q\n1,0,1\n2,1,0\n", "p;p", "the column 'p' is named twice"),
    ],
)
def test_label_columns_that_cannot_be_read_are_refused(text: str, label: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        run("bce", f"csv:path={tmp_path / 't.csv'},label={label}", results=None)


def test_a_label_that_never_varies_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.stack([np.arange(200) % 2, np.zeros(200, dtype=int)], axis=1)
    np.savez(tmp_path / "t.npz", train_x=rng.normal(size=(200, 3)), train_y=y)
    with pytest.raises(InputError, match="label 1 is 0 in every training row"):
        run("bce", f"npz:path={tmp_path / 't.npz'}", results=None)
    np.savez(tmp_path / "t.npz", train_x=rng.normal(size=(200, 3)), train_y=y + 2)
    with pytest.raises(InputError, match="holds more than 0 and 1"):
        run("bce", f"npz:path={tmp_path / 't.npz'}", results=None)
