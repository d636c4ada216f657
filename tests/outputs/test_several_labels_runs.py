"""Several labels a row: what bce trains, how answers are judged and decided, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from calibench import InputError, evaluate, run
from calibench.evaluation.judge import judge
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.outputs.outputs import Outputs
from calibench.outputs.several_labels import label_scores, yes_no_outputs
from calibench.records.store import read_predictions
from calibench.stages import Batch
from calibench_methods.objectives.bce import BinaryCrossEntropy

pytestmark = pytest.mark.usefixtures("one_thread")

N, LABELS = 900, ("hot", "wet", "far")


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """14 numbers a row and three labels, each with noise about a plane, all three or none among them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 14))
    y = (x @ rng.normal(size=(14, 3)) + rng.logistic(size=(N, 3)) > [0.0, 1.5, -1.0]).astype(int)
    file = tmp_path_factory.mktemp("labels") / "t.csv"
    head = [f"f{i}" for i in range(14)] + list(LABELS)
    lines = [",".join(map(str, [*row, *answers])) for row, answers in zip(x.round(4), y, strict=True)]
    file.write_text("\n".join([",".join(head), *lines]))
    return file


def trained(method: str, table: Path, results: Path, **more):
    settings = {"model": "mlp:hidden=20", "epochs": 30, **more}
    return run(method, f"csv:path={table},label={';'.join(LABELS)}", results=results, **settings)


def test_asked_and_answered_are_inverse() -> None:
    x = torch.randn(5, 3, dtype=torch.float64)
    outputs = yes_no_outputs(x)
    assert outputs.scores.shape == (15, 2)
    assert outputs.labels_per_sample == 3
    torch.testing.assert_close(outputs.probs()[:, 1].reshape(5, 3), x.sigmoid())
    assert torch.equal(label_scores(outputs), x)
    assert torch.equal(label_scores(yes_no_outputs(x.sigmoid(), from_probs=True)), x.sigmoid())


def test_the_loss_is_the_sum_over_labels() -> None:
    x, y = torch.randn(6, 3, dtype=torch.float64), torch.randint(2, (6, 3))
    s = x.sigmoid()
    want = -(y * s.log() + (1 - y) * (1 - s).log()).sum(dim=1).mean()
    batch = Batch(torch.empty(6), y, torch.arange(6))
    torch.testing.assert_close(BinaryCrossEntropy().loss(x, batch), want)


def test_a_run_from_a_table(table: Path, tmp_path: Path) -> None:
    limits = (0.2, 0.5, 0.7)
    record = trained("bce+sigmoid-threshold:values=0.2;0.5;0.7", table, tmp_path)
    assert record.data["classes"] == 2
    assert record.data["questions"] == 3
    stored = read_predictions(tmp_path, record)
    x, y = stored["test.logits"].astype(np.float64), stored["test.labels"]
    n = record.n["test"]
    assert x.shape == y.shape == (n, 3)
    p = 1 / (1 + np.exp(-x))
    said = (p >= limits).astype(int)
    np.testing.assert_array_equal(stored["test.decisions"], said)
    assert record.metrics["accuracy"] == pytest.approx(((p > 0.5) == y).mean(), abs=1e-12)
    assert record.metrics["nll"] == pytest.approx(-np.log(np.where(y == 1, p, 1 - p)).mean(), rel=1e-6)
    assert record.metrics["selective_risk"] == pytest.approx((said != y).mean(), abs=1e-12)
    assert record.metrics["coverage"] == 1
    assert record.metrics["exact_match"] == pytest.approx((said == y).all(axis=1).mean(), abs=1e-12)
    assert record.metrics["macro_f1"] == pytest.approx(f1_score(y, said, average="macro"), abs=1e-12)
    assert record.details["macro_f1"]["by_label"] == pytest.approx(f1_score(y, said, average=None), abs=1e-12)
    assert record.metrics["accuracy"] > 0.7, "it has learned"
    assert any("'wet': yes is 1, no is 0" in note for note in record.data["notes"])
    again = judge(
        Judged(yes_no_outputs(torch.from_numpy(stored["test.logits"])), torch.from_numpy(y).flatten(), said.flatten()),
        load_metrics(),
    )
    assert again.metrics == record.metrics
    assert again.intervals == record.intervals


@pytest.mark.parametrize("method", ["bce+temperature", "bce+ensemble:members=2+isotonic", "bce+mc-dropout:samples=3"])
def test_stages_that_compose(method: str, table: Path, tmp_path: Path) -> None:
    model = "mlp:hidden=20,dropout=0.2" if "dropout" in method else "mlp:hidden=20"
    record = trained(f"{method}+threshold:target_coverage=0.7", table, tmp_path, model=model)
    assert record.metrics["selective_risk"] < 1 - record.metrics["accuracy"], "it abstains where it is unsure"
    assert 0.6 < record.metrics["coverage"] < 1, "or more than asked for, where scores are tied"
    assert read_predictions(tmp_path, record, names=("test.decisions",))["test.decisions"].shape[1] == 3


def test_answers_of_one_sample_are_resampled_together() -> None:
    """Labels that are copies of one another say nothing more than one of them: neither may their intervals."""
    x, y = torch.randn(200, dtype=torch.float64) * 2, torch.randint(2, (200,))
    metrics = load_metrics()
    one = judge(Judged(Outputs(torch.stack([torch.zeros_like(x), x], dim=1)), y), metrics)
    copies = judge(Judged(yes_no_outputs(x[:, None].repeat(1, 4)), y[:, None].repeat(1, 4).flatten()), metrics)
    for name in ("accuracy", "nll", "brier", "ece15", "classwise_ece15"):
        assert copies.intervals[name] == pytest.approx(one.intervals[name], rel=1e-9), name
    assert copies.intervals["exact_match"] == pytest.approx(one.intervals["accuracy"])
    assert "exact_match" not in one.metrics


def test_the_fast_resamples_are_the_slow_ones() -> None:
    x, y = torch.randn(30, 3), torch.randint(2, (30, 3))
    judged = Judged(yes_no_outputs(x), y.flatten())
    weights = np.repeat(np.random.default_rng(0).multinomial(30, [1 / 30] * 30, size=8).astype(float), 3, axis=1)
    for name in ("exact_match", "macro_f1"):
        metric = load_metrics()[name][1]
        slow = super(type(metric), metric).resampled(judged, weights)
        np.testing.assert_allclose(metric.resampled(judged, weights), slow, rtol=1e-12)


@pytest.mark.parametrize(
    ("method", "more", "words"),
    [
        ("ce", {}, "'ce' trains one class a row; rows of dataset 'csv' have 3 labels each"),
        ("noise-ce:rate=0.1", {}, "trains one class a row"),
        ("bce+vtst", {}, "'vtst' trains one class a row"),
        ("bce", {"noise": "symmetric:rate=0.1"}, "'symmetric' draws one class index a row"),
        ("bce+sigmoid-threshold:values=0.2;0.5", {}, "2 values for 3 classes or labels"),
    ],
)
def test_what_makes_no_sense_is_refused(method: str, more: dict, words: str, table: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        trained(method, table, tmp_path / "r", **more)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("text", "label", "words"),
    [
        ("a,p,q\n1,0,1\n2,1,2\n3,0,0\n", "p;q", "label 'q' holds 3 different values"),
        ("a,p,q\n1,0,1\n2,1,0\n", "p;r", "there is no column 'r'"),
        ("a,p,q\n1,0,1\n2,1,0\n", "p;p", "the column 'p' is named twice"),
    ],
)
def test_tables_that_cannot_be_read(text: str, label: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=words):
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


def test_evaluate_from_python_and_from_files(cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3)) * 2
    y = (rng.random((400, 3)) < 1 / (1 + np.exp(-x / 2))).astype(int)  # twice too sure
    record = evaluate(logits=x[:200], labels=y[:200], fit="temperature", fit_logits=x[200:], fit_labels=y[200:])
    assert (record.n, record.classes, record.labels_per_sample) == (200, 2, 3)
    assert record.fit["temperature"] == pytest.approx(2, rel=0.3)
    assert record.fit["n"] == 200
    assert record.after["metrics"]["nll"] < record.metrics["nll"]
    p = 1 / (1 + np.exp(-x[:200]))
    assert evaluate(probs=p, labels=y[:200]).metrics["nll"] == pytest.approx(record.metrics["nll"])

    np.savez(tmp_path / "t.npz", logits=x[:200], labels=y[:200])
    rows = [",".join([*(f"{v:.17g}" for v in a), *map(str, b)]) for a, b in zip(x[:200], y[:200], strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["z_a,z_b,z_c,y_a,y_b,y_c", *rows]))
    asked_for = ("--fit", "sigmoid-threshold:values=0.2;0.4;0.4", "--json")
    from_npz = cli("evaluate", "t.npz", *asked_for).document
    from_csv = cli("evaluate", "t.csv", "--logits", "z_*", "--labels", "y_*", *asked_for).document
    assert from_npz == from_csv
    assert from_npz["metrics"]["nll"] == pytest.approx(record.metrics["nll"], rel=1e-12)
    said = p >= [0.2, 0.4, 0.4]
    assert from_npz["after"]["metrics"]["exact_match"] == pytest.approx((said == y[:200]).all(axis=1).mean())
    shown = cli("evaluate", "t.npz").out
    assert "200 samples, 3 labels each, judged as questions of yes or no" in shown


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [
        (np.zeros((4, 3)), np.zeros((4, 2), dtype=int), r"labels \[4, 2\]"),
        (np.zeros((2, 2)), np.array([[0, 1], [1, 2]]), "row 1: a label is neither 0 nor 1"),
        (np.array([[0, 1.0], [np.nan, 0]]), np.array([[0, 1], [1, 1]]), "row 1: a score is NaN"),
        (np.zeros((2, 2)), np.zeros((2, 2), dtype=int), "all labels are 0"),
        (np.zeros((2, 3)), np.eye(3, dtype=int)[:2], "every row has exactly one label of 3"),
        (np.zeros((2, 1)), np.array([[0], [1]]), "at least one row of two columns"),
        (np.zeros((2, 2)), np.array([[0, 1.0], [1, 0]]), "labels have type torch.float64"),
    ],
)
def test_unsound_answers_are_refused(scores, labels, words: str) -> None:
    with pytest.raises(InputError, match=words):
        evaluate(logits=scores, labels=labels)
    with pytest.raises(InputError, match=r"row 0: a probability lies outside \[0, 1\]"):
        evaluate(probs=np.array([[1.5, 0], [0, 1]]), labels=np.array([[0, 1], [1, 1]]))
