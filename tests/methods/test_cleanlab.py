"""`cleanlab`: it suspects the labels that the cleanlab package suspects, and trains without them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from noise_cases import SKEWED, simulated
from objective_cases import Array, blobs, build, log_softmax

import calibench
from calibench import InputError
from calibench.config.resolve import resolve
from calibench.errors import RunError
from calibench.stages import Batch
from calibench.stages.build import build_stage

OUT_OF_FOLD = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar10_train_oof_noisy.npz"

needs_cleanlab = pytest.mark.skipif(
    importlib.util.find_spec("cleanlab") is None, reason='cleanlab is not installed: pip install "calibench[noise]"'
)


def precision_and_recall(suspected: Array, wrong: Array) -> tuple[float, float]:
    return (suspected & wrong).sum() / suspected.sum(), (suspected & wrong).sum() / wrong.sum()


@pytest.mark.slow
@needs_cleanlab
@pytest.mark.skipif(not OUT_OF_FOLD.is_file(), reason=f"there is no {OUT_OF_FOLD}")
@pytest.mark.parametrize("setting", ["0.0_0.4", "0.6_0.4"])
def test_suspected_labels_of_cifar_10_are_those_of_the_package(setting: str) -> None:
    from cleanlab.filter import find_label_issues

    with np.load(OUT_OF_FOLD, allow_pickle=False) as file:
        index = file["setting"].tolist().index(setting)
        probs, noisy = file["prob"][index].astype(np.float64), file["noisy_label"][index].astype(np.int64)
        wrong = noisy != file["true_label"]
    probs /= probs.sum(axis=1, keepdims=True)
    suspected = build("cleanlab", 10, probs=probs, labels=noisy).suspected().numpy()
    np.testing.assert_array_equal(suspected, find_label_issues(noisy, probs, n_jobs=1))
    precision, recall = precision_and_recall(suspected, wrong)
    print(f"cleanlab on {setting}: precision {precision:.4f}, recall {recall:.4f}")
    assert precision > wrong.mean() + 0.2  # much better than suspecting at random


@needs_cleanlab
@pytest.mark.parametrize("filter_by", ["both", "confident_learning", "predicted_neq_given", "low_self_confidence"])
def test_every_rule_is_the_packages(filter_by: str) -> None:
    from cleanlab.filter import find_label_issues

    _, noisy, probs = simulated(1500, 4, SKEWED, seed=0)
    suspected = build(f"cleanlab:filter_by={filter_by}", 4, probs=probs, labels=noisy).suspected().numpy()
    np.testing.assert_array_equal(suspected, find_label_issues(noisy, probs, filter_by=filter_by, n_jobs=1))
    assert 0.05 < suspected.mean() < 0.6


@needs_cleanlab
@pytest.mark.parametrize("mode", ["prune", "reweight"])
def test_the_loss_is_the_weighted_cross_entropy_of_the_rows_kept(mode: str) -> None:
    from cleanlab.count import compute_confident_joint

    _, noisy, probs = simulated(1500, 4, SKEWED, seed=3)
    objective = build(f"cleanlab:mode={mode}", 4, probs=probs, labels=noisy)
    joint = np.asarray(compute_confident_joint(noisy, probs, calibrate=True), dtype=float)
    of_class = joint.sum(axis=0) / np.diagonal(joint) if mode == "reweight" else np.ones(4)
    weights = np.where(objective.suspected().numpy(), 0.0, of_class[noisy])
    weights *= len(weights) / weights.sum()
    rows = np.random.default_rng(0).permutation(1500)[:50]
    z = np.random.default_rng(1).normal(size=(50, 4))
    x = torch.tensor(z, requires_grad=True)
    loss = objective.loss(x, Batch(x, torch.from_numpy(noisy[rows]), torch.from_numpy(rows)))
    loss.backward()
    log_p = log_softmax(z)
    expected = -(weights[rows] * log_p[np.arange(50), noisy[rows]]).mean()
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-12)
    assert x.grad is not None
    gradient = weights[rows, None] * (np.exp(log_p) - np.eye(4)[noisy[rows]]) / 50
    np.testing.assert_allclose(x.grad.numpy(), gradient, rtol=1e-10, atol=1e-15)


@needs_cleanlab
def test_a_batch_of_suspected_rows_has_no_loss_and_no_gradient() -> None:
    _, noisy, probs = simulated(1500, 4, SKEWED, seed=3)
    objective = build("cleanlab", 4, probs=probs, labels=noisy)
    rows = objective.suspected().nonzero()[:5, 0]
    logits = torch.full((5, 4), 1e4, requires_grad=True)
    loss = objective.loss(logits, Batch(logits, torch.from_numpy(noisy)[rows], rows))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert bool((logits.grad == 0).all())


@needs_cleanlab
@pytest.mark.filterwarnings("ignore:May not flag all label issues")
@pytest.mark.parametrize("mode", ["prune", "reweight"])
def test_weights_are_finite_for_a_class_without_labels(mode: str) -> None:
    _, noisy, probs = simulated(1000, 4, SKEWED, seed=0)
    wider = np.concatenate([probs, np.full((1000, 1), 1e-6)], axis=1)
    wider /= wider.sum(axis=1, keepdims=True)
    assert bool(build(f"cleanlab:mode={mode}", 5, probs=wider, labels=noisy).weights.isfinite().all())


@needs_cleanlab
def test_suspecting_every_row_of_a_class_is_refused() -> None:
    _, noisy, _ = simulated(1000, 4, SKEWED, seed=0)
    labels = np.where(noisy == 2, 1, noisy)
    labels[:3] = 2
    probs = np.eye(4)[np.where(labels == 2, 0, labels)] * 0.97 + 0.0075
    with pytest.raises(RunError, match="label 2 is suspected"):
        build("cleanlab:filter_by=predicted_neq_given", 4, probs=probs, labels=labels)


def test_the_error_without_the_package_has_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *args: None if name == "cleanlab" else find_spec(name, *args)
    )
    with pytest.raises(InputError, match="needs the cleanlab package") as caught:
        build_stage(resolve("cleanlab").objective).check(4)
    assert 'pip install "calibench[noise]"' in caught.value.hint


@needs_cleanlab
def test_a_record_scores_the_suspected_labels(tmp_path: Path) -> None:
    record = calibench.run(
        "cleanlab", blobs(tmp_path, 900), "mlp:hidden=16", 0, "symmetric:rate=0.3", epochs=8, select="last",
        results=None, settings=["cleanlab.lr=0.01"], device="cpu",
    )  # fmt: skip
    stage = record.fitted[0]
    assert 100 < stage["suspected"] < 300
    assert stage["precision"] > 0.8
    assert stage["recall"] > 0.7
