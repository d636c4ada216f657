"""`soft_nll` and `soft_brier`: their definitions, their resamples, and stored outputs that are judged by them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from calibench import InputError, evaluate
from calibench.evaluation.judge import judge
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.metrics.soft_brier import SoftBrier
from calibench.metrics.soft_nll import SoftNll
from calibench.outputs.outputs import Outputs


def draw(n: int = 200, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, labels, and the shares of 20 people's answers to each row."""
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
    outputs = judged(from_probs)
    logits, _, soft = draw()
    probs = torch.from_numpy(logits).softmax(1).numpy()
    expected = np.mean([entropy(q) + entropy(q, p) for q, p in zip(soft, probs, strict=True)])
    assert SoftNll().value(outputs) == pytest.approx(expected, rel=1e-12)
    details = SoftNll().details(outputs)
    assert details["entropy"] == pytest.approx(np.mean([entropy(q) for q in soft]), rel=1e-12)
    assert details["kl"] == pytest.approx(np.mean([entropy(q, p) for q, p in zip(soft, probs, strict=True)]), rel=1e-9)
    assert SoftBrier().value(outputs) == pytest.approx(((probs - soft) ** 2).sum(axis=1).mean(), rel=1e-12)


def test_one_hot_soft_labels_give_nll_and_brier() -> None:
    logits, labels, _ = draw()
    outputs = Judged(Outputs(torch.from_numpy(logits)), torch.from_numpy(labels), soft=np.eye(4)[labels])
    assert SoftNll().value(outputs) == pytest.approx(float(outputs.nll.mean()), rel=1e-12)
    assert SoftBrier().value(outputs) == pytest.approx(float(outputs.brier.mean()), rel=1e-12)
    assert SoftNll().details(outputs)["entropy"] == 0


def test_the_shares_themselves_are_the_best_outputs() -> None:
    _, labels, soft = draw()
    soft = (soft + 0.01) / (soft + 0.01).sum(axis=1, keepdims=True)
    outputs = Judged(Outputs(torch.from_numpy(soft), from_probs=True), torch.from_numpy(labels), soft=soft)
    assert SoftBrier().value(outputs) == 0
    assert SoftNll().details(outputs)["kl"] == pytest.approx(0, abs=1e-12)


def test_a_probability_of_0_is_clipped() -> None:
    _, labels, soft = draw()
    one_hot = torch.from_numpy(np.eye(4)[labels])
    outputs = Judged(Outputs(one_hot, from_probs=True), torch.from_numpy(labels), soft=soft)
    assert math.isfinite(SoftNll().value(outputs))


@pytest.mark.parametrize("metric", [SoftNll(), SoftBrier()])
def test_weights_of_a_resample_repeat_rows(metric: Any) -> None:
    outputs = judged()
    weights = np.random.default_rng(3).multinomial(outputs.n, np.full(outputs.n, 1 / outputs.n), size=5).astype(float)
    rows = [np.repeat(np.arange(outputs.n), row.astype(int)) for row in weights]
    expected = [metric.value(outputs.take(indices)) for indices in rows]
    np.testing.assert_allclose(metric.resampled(outputs, weights), expected, rtol=1e-12)


def test_without_soft_labels_the_figures_are_left_out() -> None:
    logits, labels, _ = draw()
    evaluation = judge(Judged(Outputs(torch.from_numpy(logits)), torch.from_numpy(labels)), load_metrics())
    assert not {"soft_nll", "soft_brier"} & set(evaluation.metrics)


def test_soft_labels_of_another_shape_are_refused() -> None:
    logits, labels, _ = draw()
    with pytest.raises(InputError, match="soft labels of shape"):
        Judged(Outputs(torch.from_numpy(logits)), torch.from_numpy(labels), soft=np.ones((3, 4)))


@pytest.fixture
def stored(tmp_path: Path) -> None:
    """o.npz of logits, labels and people's answers, and the answers alone in soft.npy."""
    logits, labels, soft = draw()
    np.savez(tmp_path / "o.npz", logits=logits, labels=labels, people=soft)
    np.save(tmp_path / "soft.npy", soft)


@pytest.mark.slow
@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("name", ["people", "soft.npy"])
def test_evaluate_takes_soft_labels_from_an_array_or_a_file(name: str, cli) -> None:
    ran = cli("evaluate", "o.npz", "--soft", name, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["metrics"]["soft_nll"] == pytest.approx(SoftNll().value(judged()), rel=1e-12)


@pytest.mark.usefixtures("stored")
def test_evaluate_prints_soft_nll(cli) -> None:
    assert "soft_nll" in cli("evaluate", "o.npz", "--soft", "people").out


@pytest.mark.slow
def test_evaluate_judges_by_them_before_and_after_a_fit() -> None:
    logits, labels, soft = draw()
    evaluation = evaluate(
        logits=logits, labels=labels, soft=soft, fit="temperature", fit_logits=1.01 * logits, fit_labels=labels
    )
    assert evaluation.after["metrics"]["soft_brier"] != evaluation.metrics["soft_brier"]
    assert "soft_nll" not in evaluate(logits=logits, labels=labels).metrics


@pytest.mark.usefixtures("stored")
def test_evaluate_refuses_other_arrays(refused) -> None:
    refused("evaluate", "o.npz", "--soft", "peple", says="peple", hint="people")
    refused("evaluate", "o.npz", "--soft", "logits", says="row 0 of soft is no set of shares")
    refused("evaluate", "o.npz", "--soft", "labels", says="soft has shape [200]")
    refused("evaluate", "o.npz", "--soft", "none.npy", says="there is no file")
