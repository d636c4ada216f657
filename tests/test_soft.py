"""Soft labels: what people called the test rows, from cifar10h's file or the user's own, and the figures against them."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from calibench import Arrays, InputError, evaluate, run
from calibench.config.resolve import resolve
from calibench.data.folder import using_data_folder
from calibench.data.load import load_data
from calibench.data.prepare import prepare
from calibench.evaluation.judge import judge
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.metrics.soft_brier import SoftBrier
from calibench.metrics.soft_nll import SoftNll
from calibench.outputs.outputs import Outputs
from calibench.records.store import read_predictions
from calibench_datasets.sources import cifar10h

SHARES = {"val": 0.1, "cal": 0.1, "test": 0.25, "split_seed": 0}


def draw(n: int = 200, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, labels, and the answers of 20 people to each row, some of whom nobody agrees with."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    logits = rng.normal(size=(n, classes)) + 2 * np.eye(classes)[labels]
    answers = np.stack([rng.multinomial(20, 0.7 * np.eye(classes)[y] + 0.3 / classes) for y in labels]) / 20
    return logits, labels, answers


def judged(from_probs: bool = False) -> Judged:
    logits, labels, soft = draw()
    scores = torch.from_numpy(logits)
    scores = scores.softmax(1) if from_probs else scores
    return Judged(Outputs(scores, from_probs), torch.from_numpy(labels), soft=soft)


@pytest.mark.parametrize("from_probs", [False, True])
def test_the_figures_are_their_definitions(from_probs: bool) -> None:
    of = judged(from_probs)
    logits, _, soft = draw()
    probs = torch.from_numpy(logits).softmax(1).numpy()
    want = np.mean([entropy(q) + entropy(q, p) for q, p in zip(soft, probs, strict=True)])
    assert SoftNll().value(of) == pytest.approx(want, rel=1e-12)
    details = SoftNll().details(of)
    assert details["entropy"] == pytest.approx(np.mean([entropy(q) for q in soft]), rel=1e-12)
    assert details["kl"] == pytest.approx(np.mean([entropy(q, p) for q, p in zip(soft, probs, strict=True)]), rel=1e-9)
    assert SoftBrier().value(of) == pytest.approx(((probs - soft) ** 2).sum(axis=1).mean(), rel=1e-12)


def test_one_hot_soft_labels_give_nll_and_brier() -> None:
    logits, labels, _ = draw()
    of = Judged(Outputs(torch.from_numpy(logits)), torch.from_numpy(labels), soft=np.eye(4)[labels])
    assert SoftNll().value(of) == pytest.approx(float(of.nll.mean()), rel=1e-12)
    assert SoftBrier().value(of) == pytest.approx(float(of.brier.mean()), rel=1e-12)
    assert SoftNll().details(of)["entropy"] == 0


def test_the_best_answer_is_the_shares_themselves() -> None:
    _, labels, soft = draw()
    soft = (soft + 0.01) / (soft + 0.01).sum(axis=1, keepdims=True)
    of = Judged(Outputs(torch.from_numpy(soft), from_probs=True), torch.from_numpy(labels), soft=soft)
    assert SoftBrier().value(of) == 0
    assert SoftNll().details(of)["kl"] == pytest.approx(0, abs=1e-12)
    sure = Judged(Outputs(torch.from_numpy(np.eye(4)[labels]), from_probs=True), torch.from_numpy(labels), soft=soft)
    assert math.isfinite(SoftNll().value(sure)), "p = 0 is clipped"


@pytest.mark.parametrize("metric", [SoftNll(), SoftBrier()])
def test_resamples_are_those_of_the_rows(metric: Any) -> None:
    of = judged()
    weights = np.random.default_rng(3).multinomial(of.n, np.full(of.n, 1 / of.n), size=5).astype(float)
    want = [metric.value(of.take(np.repeat(np.arange(of.n), row.astype(int)))) for row in weights]
    np.testing.assert_allclose(metric.resampled(of, weights), want, rtol=1e-12)


def test_they_are_left_out_where_nobody_was_asked() -> None:
    logits, labels, _ = draw()
    found = judge(Judged(Outputs(torch.from_numpy(logits)), torch.from_numpy(labels)), load_metrics())
    assert not {"soft_nll", "soft_brier"} & set(found.metrics)
    with pytest.raises(InputError, match="soft labels of shape"):
        Judged(Outputs(torch.from_numpy(logits)), torch.from_numpy(labels), soft=np.ones((3, 4)))


def arrays(**change: Any) -> Arrays:
    x, y, soft = draw(300)
    given = {"x": x[:200], "y": y[:200], "test": (x[200:], y[200:]), "test_soft": soft[200:]} | change
    return Arrays(**given)


def test_prepared_with_its_rows_and_in_the_fingerprint() -> None:
    data = prepare(arrays(), SHARES, frozenset(), "here")
    assert data.test_soft is not None
    np.testing.assert_allclose(data.test_soft, draw(300)[2][200:], rtol=1e-12)
    none = prepare(arrays(test_soft=None), SHARES, frozenset(), "here")
    assert none.test_soft is None
    assert len({data.fingerprint, none.fingerprint}) == 2
    assert data.test_fingerprint != none.test_fingerprint
    narrow = prepare(arrays(test_soft=draw(300)[2][200:].astype(np.float16)), SHARES, frozenset(), "here")
    np.testing.assert_allclose(narrow.test_soft.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"test_soft": np.full((100, 3), 1 / 3)}, r"shape \[100, 3\]"),
        ({"test_soft": np.full((99, 4), 0.25)}, r"shape \[99, 4\]"),
        ({"test_soft": np.eye(4, dtype=int)[[0] * 100]}, "type int64"),
        ({"test_soft": np.full((100, 4), 0.26)}, "row 0 of here: test_soft is no set of shares"),
        ({"test_soft": np.array([[0.25] * 4] * 99 + [[1.5, -0.5, 0, 0]])}, "row 99"),
        ({"test_soft": np.array([[0.25] * 4] * 99 + [[np.nan, 1, 0, 0]])}, "row 99"),
        ({"test": None}, "for a test split"),
    ],
)
def test_what_is_no_set_of_shares_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        prepare(arrays(**change), SHARES, frozenset(), "here")


def test_a_run_judges_by_them_and_stores_them(cli, tmp_path: Path) -> None:
    held = arrays()
    np.savez(
        tmp_path / "a.npz",
        train_x=held.x,
        train_y=held.y,
        test_x=held.test[0],
        test_y=held.test[1],
        test_soft=held.test_soft,
    )
    record = run("ce", "npz:path=" + str(tmp_path / "a.npz"), epochs=3, results=tmp_path / "r")
    stored = read_predictions(tmp_path / "r", record)
    np.testing.assert_allclose(stored["test.soft"], held.test_soft, rtol=1e-12)
    probs = torch.from_numpy(stored["test.logits"]).double().softmax(1).numpy()
    assert record.metrics["soft_brier"] == pytest.approx(((probs - held.test_soft) ** 2).sum(axis=1).mean(), rel=1e-6)
    low, high = record.intervals["soft_nll"]
    assert low < record.metrics["soft_nll"] < high
    run("ce", "digits", "mlp:hidden=4", epochs=1, results=tmp_path / "r")
    ranked = cli("leaderboard", "--results", "r", "--metric", "soft_nll", "--json")
    assert ranked.code == 0, ranked.err
    (board,) = ranked.document["boards"]
    assert board["metric"] == "soft_nll"
    assert board["dataset"].startswith("npz:"), "digits has no soft labels, and so no such board"


@pytest.fixture
def small(tmp_path: Path, monkeypatch):
    """`small(soft)` writes cifar10h-probs.npy beside a small CIFAR-10 of 40 test images, and describes it as published."""
    labels = np.arange(40) % 10
    images = np.random.default_rng(0).integers(0, 256, (100, 3, 32, 32), dtype=np.uint8)
    held = Arrays(images[:60], np.arange(60) % 10, test=(images[60:], labels), notes=("classes in order: a",))
    monkeypatch.setattr(cifar10h, "cifar10", lambda: held)

    def written(soft: np.ndarray, **options: Any) -> Path:
        path = tmp_path / "data" / "cifar10h" / "cifar10h-probs.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, soft, **options)
        known = dataclasses.replace(cifar10h.CIFAR10H, md5=hashlib.md5(path.read_bytes()).hexdigest())
        monkeypatch.setattr(cifar10h, "CIFAR10H", known)
        return path

    return written


def answers(shift: int = 0) -> np.ndarray:
    """Shares as the published file has them: float64 [N, 10], each row of some 50 answers."""
    rng = np.random.default_rng(1)
    labels = (np.arange(40) + shift) % 10
    return np.stack([rng.multinomial(51, 0.8 * np.eye(10)[y] + 0.02) for y in labels]) / 51


def read(folder: Path) -> Arrays:
    with using_data_folder(folder, False, lambda *words: None):
        return cifar10h.cifar10h()


def test_cifar10h_joins_answers_to_test_images(small, tmp_path: Path) -> None:
    small(answers())
    found = read(tmp_path / "data")
    np.testing.assert_array_equal(found.test_soft, answers())
    assert found.notes[0] == "classes in order: a"
    assert "the label of 100.00 %" in found.notes[1]
    with using_data_folder(tmp_path / "data", False, lambda *words: None):
        assert load_data(resolve("ce", "cifar10h")).test_soft is not None


@pytest.mark.parametrize(
    ("soft", "says"),
    [
        (answers(1), "people's most frequent answer is the label of"),
        (answers()[:39], r"holds \[39, 10\] float64"),
        (np.eye(10, dtype=int)[np.arange(40) % 10], r"\[40, 10\] int64"),
        (np.array([{}] * 40, dtype=object), "could run code"),
    ],
)
def test_answers_of_another_form_or_order_are_refused(soft: np.ndarray, says: str, small, tmp_path: Path) -> None:
    small(soft, allow_pickle=True)
    with pytest.raises(InputError, match=says):
        read(tmp_path / "data")


def test_another_file_and_none(small, refused, tmp_path: Path) -> None:
    path = small(answers())
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    ask = ("run", "-m", "ce", "-d", "cifar10h", "--data-dir", "data")
    refused(*ask, says="not the published file: its md5 is", hint="fetch")
    path.unlink()
    said = refused(*ask, says="there is no cifar10h-probs.npy", hint="--download")
    assert "https://github.com/jcpeterson/cifar-10h/raw/master/data/cifar10h-probs.npy" in said


def test_stored_outputs_are_judged_by_them_too(cli, refused, tmp_path: Path) -> None:
    logits, labels, soft = draw()
    np.savez(tmp_path / "o.npz", logits=logits, labels=labels, people=soft)
    np.save(tmp_path / "soft.npy", soft)
    want = SoftNll().value(judged())
    for name in ("people", "soft.npy"):
        ran = cli("evaluate", "o.npz", "--soft", name, "--json")
        assert ran.code == 0, ran.err
        assert ran.document["metrics"]["soft_nll"] == pytest.approx(want, rel=1e-12)
    record = evaluate(
        logits=logits, labels=labels, soft=soft, fit="temperature", fit_logits=logits[::-1], fit_labels=labels[::-1]
    )
    assert record.after["metrics"]["soft_brier"] != record.metrics["soft_brier"]
    assert "soft_nll" not in evaluate(logits=logits, labels=labels).metrics
    assert "soft_nll" in cli("evaluate", "o.npz", "--soft", "people").out
    refused("evaluate", "o.npz", "--soft", "peple", says="peple", hint="people")
    refused("evaluate", "o.npz", "--soft", "logits", says="row 0 of soft is no set of shares")
    refused("evaluate", "o.npz", "--soft", "labels", says="soft has shape [200]")
    refused("evaluate", "o.npz", "--soft", "none.npy", says="there is no file")
