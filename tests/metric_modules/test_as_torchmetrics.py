"""The modules give torchmetrics' figures: on its documented examples, on random batches, over ranks; but for confidence 1."""

from __future__ import annotations

import pickle

import gloo_ranks
import numpy as np
import pytest
import torch
import torchmetrics.classification as peers
from torch import multiprocessing, tensor
from torchmetrics import MetricCollection

import calibench
from calibench import metrics
from calibench.errors import InputError

PREDS = tensor([[0.25, 0.20, 0.55], [0.55, 0.05, 0.40], [0.10, 0.30, 0.60], [0.90, 0.05, 0.05]])
TARGET = tensor([0, 1, 2, 0])
BINARY = tensor([0.25, 0.25, 0.55, 0.75, 0.75]), tensor([0, 0, 1, 1, 1])


def draw(n: int = 500, classes: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, classes, generator=generator) * 2, torch.randint(classes, (n,), generator=generator)


# --- torchmetrics' documented examples ------------------------------------------------------------------------------


@pytest.mark.parametrize(("norm", "printed"), [("l1", "0.2000"), ("l2", "0.2082"), ("max", "0.2333")])
def test_the_documented_multiclass_example(norm, printed):
    assert (
        str(metrics.MulticlassCalibrationError(num_classes=3, n_bins=3, norm=norm)(PREDS, TARGET))
        == f"tensor({printed})"
    )
    theirs = peers.MulticlassCalibrationError(num_classes=3, n_bins=3, norm=norm)(PREDS, TARGET)
    assert str(theirs) == f"tensor({printed})"


@pytest.mark.parametrize(("norm", "printed"), [("l1", "0.2900"), ("l2", "0.2918"), ("max", "0.3167")])
def test_the_documented_binary_example(norm, printed):
    assert str(metrics.BinaryCalibrationError(n_bins=2, norm=norm)(*BINARY)) == f"tensor({printed})"
    assert str(peers.BinaryCalibrationError(n_bins=2, norm=norm)(*BINARY)) == f"tensor({printed})"


def test_the_documented_accuracy_examples():
    target, answers = tensor([2, 1, 0, 0]), tensor([2, 1, 0, 1])
    scores = tensor([[0.16, 0.26, 0.58], [0.22, 0.61, 0.17], [0.71, 0.09, 0.20], [0.05, 0.82, 0.13]])
    for preds in (answers, scores):
        assert str(metrics.MulticlassAccuracy(num_classes=3)(preds, target)) == "tensor(0.8333)"
        none = metrics.MulticlassAccuracy(num_classes=3, average=None)
        assert str(none(preds, target)) == "tensor([0.5000, 1.0000, 1.0000])"


def test_the_wrapper_of_tasks():
    binary = metrics.CalibrationError(task="binary", n_bins=2)
    assert isinstance(binary, metrics.BinaryCalibrationError)
    assert str(binary(*BINARY)) == "tensor(0.2900)"
    several = metrics.CalibrationError(task="multiclass", num_classes=3, n_bins=3, norm="max")
    assert str(several(PREDS, TARGET)) == "tensor(0.2333)"
    with pytest.raises(InputError, match="did you mean 'multiclass'"):
        metrics.CalibrationError(task="multiclas", num_classes=3)
    with pytest.raises(InputError, match="the number of classes is missing"):
        metrics.CalibrationError(task="multiclass")


# --- random batches -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
@pytest.mark.parametrize("kind", ["logits", "probs"])
@pytest.mark.parametrize("bins", [10, 15])
def test_random_batches_have_torchmetrics_figures(norm, kind, bins):
    ours = metrics.MulticlassCalibrationError(4, bins, norm)
    theirs = peers.MulticlassCalibrationError(4, bins, norm)
    for seed in range(5):
        x, y = draw(seed=seed)
        x = x.softmax(dim=1) if kind == "probs" else x
        assert float(ours(x, y)) == pytest.approx(float(theirs(x, y)), rel=1e-5)  # of the batch
    assert float(ours.compute()) == pytest.approx(float(theirs.compute()), rel=1e-5)


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_random_binary_batches(norm):
    ours, theirs = metrics.BinaryCalibrationError(norm=norm), peers.BinaryCalibrationError(norm=norm)
    for seed in range(3):
        x, y = draw(seed=seed)
        logits, labels = x[:, 0], (y > 1).long()
        for preds in (logits, logits.sigmoid()):
            ours.update(preds, labels)
            theirs.update(preds, labels)
    assert float(ours.compute()) == pytest.approx(float(theirs.compute()), rel=1e-5)


@pytest.mark.parametrize("average", ["micro", "macro", "weighted", "none"])
def test_random_accuracies(average):
    ours, theirs = (m.MulticlassAccuracy(6, average=average) for m in (metrics, peers))
    x, y = draw(300, 6)
    x[:, 4], y[y >= 4] = -99.0, 0  # class 4 is neither a target nor an answer, class 5 no target
    for part in (slice(0, 100), slice(100, None)):
        np.testing.assert_allclose(ours(x[part], y[part]), theirs(x[part], y[part]), rtol=1e-6)
    np.testing.assert_allclose(ours.compute(), theirs.compute(), rtol=1e-6)


def test_more_dimensions_and_ignored_targets():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(6, 4, 5, 7, generator=generator)
    y = torch.randint(-1, 4, (6, 5, 7), generator=generator)
    for name, arguments in (("MulticlassCalibrationError", {}), ("MulticlassAccuracy", {"average": "micro"})):
        ours, theirs = (getattr(m, name)(4, ignore_index=-1, **arguments) for m in (metrics, peers))
        assert float(ours(x, y)) == pytest.approx(float(theirs(x, y)), rel=1e-5), name


def test_the_figures_are_those_of_evaluate():
    x, y = draw(1000)
    expected = calibench.evaluate(x, y, resamples=0).metrics
    named = {
        "ece15": metrics.MulticlassCalibrationError(4),
        "ece10": metrics.MulticlassCalibrationError(4, 10),
        "mce15": metrics.MulticlassCalibrationError(4, norm="max"),
        "classwise_ece15": metrics.ClasswiseCalibrationError(4),
        "brier": metrics.BrierScore(4),
        "nll": metrics.NegativeLogLikelihood(4),
        "accuracy": metrics.MulticlassAccuracy(4, average="micro"),
    }
    for name, module in named.items():
        for part in x.split(130), y.split(130):
            assert part
        for scores, labels in zip(x.split(130), y.split(130), strict=True):
            module.update(scores, labels)
        assert float(module.compute()) == pytest.approx(expected[name], rel=1e-6), name


def test_a_confidence_of_one_lies_in_the_last_bin():
    """torchmetrics gives it a bin of its own, beyond its 15 (its issue 3510)."""
    preds, target = tensor([[1.0, 0.0], [0.97, 0.03]]), tensor([0, 1])
    ours, theirs = (m.MulticlassCalibrationError(2)(preds, target) for m in (metrics, peers))
    assert float(ours) == pytest.approx(abs(1.97 - 1) / 2)
    assert float(theirs) == pytest.approx(0.97 / 2)


def test_logits_within_0_and_1_are_told_by_the_argument():
    x = torch.rand(200, 3)
    y = torch.randint(3, (200,))
    told = metrics.MulticlassCalibrationError(3, from_logits=True)(x, y)
    assert float(told) == pytest.approx(float(peers.MulticlassCalibrationError(3)(x.softmax(dim=1), y)), rel=1e-5)
    assert float(metrics.MulticlassCalibrationError(3)(x, y)) == pytest.approx(
        float(peers.MulticlassCalibrationError(3)(x, y)), rel=1e-5
    )


# --- as modules -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(gloo_ranks.modules()))
def test_reset_clone_pickle_and_merge(name):
    x, y = gloo_ranks.rows()
    module = gloo_ranks.modules()[name]
    module.update(x[:400], y[:400])
    copy, other = pickle.loads(pickle.dumps(module)), module.clone()
    assert float(other.compute()) == float(module.compute())
    other.reset()
    other.update(x[400:], y[400:])
    copy.merge_state(other)
    module.update(x[400:], y[400:])
    assert float(copy.compute()) == pytest.approx(float(module.compute()), rel=1e-6)
    module.reset()
    module.update(x[:10], y[:10])
    fresh = gloo_ranks.modules()[name]
    assert float(module.compute()) == float(fresh(x[:10], y[:10]))


def test_a_collection_updates_a_shared_state_once(monkeypatch):
    collection = MetricCollection(
        {
            "ece": metrics.MulticlassCalibrationError(4),
            "mce": metrics.MulticlassCalibrationError(4, norm="max"),
            "brier": metrics.BrierScore(4),
            "nll": metrics.NegativeLogLikelihood(4),
            "classwise": metrics.ClasswiseCalibrationError(4),
        }
    )
    x, y = draw()
    collection.update(x, y)
    assert sorted(map(sorted, collection.compute_groups.values())) == [["brier", "ece", "mce", "nll"], ["classwise"]]
    collection.update(x, y)
    alone = metrics.BrierScore(4)
    alone.update(x, y)
    alone.update(x, y)
    assert float(collection.compute()["brier"]) == float(alone.compute())


def test_a_forward_call_counts_its_batch_once():
    module, whole = metrics.BrierScore(4), metrics.BrierScore(4)
    for seed in range(3):
        x, y = draw(seed=seed)
        assert float(module(x, y)) == pytest.approx(float(metrics.BrierScore(4)(x, y)))
        whole.update(x, y)
    assert float(module.compute()) == pytest.approx(float(whole.compute()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.MulticlassCalibrationError(3)(PREDS[:, :2], TARGET), "there are 3 classes"),
        (lambda: metrics.MulticlassCalibrationError(3)(PREDS, TARGET[:3]), "do not fit each other"),
        (lambda: metrics.MulticlassCalibrationError(3)(PREDS.long(), TARGET), "predictions have type torch.int64"),
        (lambda: metrics.MulticlassCalibrationError(3)(PREDS, tensor([0, 1, 2, 3])), "row 3"),
        (lambda: metrics.MulticlassCalibrationError(3)(PREDS * float("nan"), TARGET), "row 0"),
        (lambda: metrics.MulticlassCalibrationError(3, norm="l3"), "there is no norm 'l3'"),
        (lambda: metrics.MulticlassCalibrationError(3, n_bins=0), "bins"),
        (lambda: metrics.BinaryCalibrationError()(BINARY[0], BINARY[1][:2]), "do not fit each other"),
        (lambda: metrics.BinaryCalibrationError()(BINARY[0], BINARY[1] + 1), "row 2"),
        (lambda: metrics.MulticlassAccuracy(3)(PREDS, tensor([0, 1, 2, 3])), "row 3: target 3 is no class"),
        (lambda: metrics.MulticlassAccuracy(3, top_k=2), "top_k=2"),
        (lambda: metrics.MulticlassAccuracy(3, average="most"), "there is no average 'most'"),
    ],
)
def test_mistakes_are_input_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_bad_batch_leaves_the_sums(samples):
    module = metrics.BrierScore(3)
    module.update(PREDS, TARGET)
    before = float(module.compute())
    with pytest.raises(InputError):
        module.update(PREDS, tensor([0, 1, 2, 9]))
    module._computed = None
    assert float(module.compute()) == before


@pytest.mark.slow
def test_two_gloo_ranks_compute_the_figures_of_all_rows(tmp_path):
    multiprocessing.start_processes(gloo_ranks.compute, args=(str(tmp_path),), nprocs=2, start_method="spawn")
    first, second = (torch.load(tmp_path / f"{process}.pt") for process in range(2))
    assert first == second
    x, y = gloo_ranks.rows()
    for name, module in gloo_ranks.modules().items():
        module.update(x, y)
        assert first[name] == pytest.approx(float(module.compute()), rel=1e-6), name
    theirs = peers.MulticlassCalibrationError(gloo_ranks.CLASSES)
    theirs.update(x, y)
    assert first["l1"] == pytest.approx(float(theirs.compute()), rel=1e-5)


def test_the_names_are_listed_without_torch(tmp_path):
    import subprocess
    import sys

    code = "import sys, calibench.metrics as m; print('BrierScore' in dir(m), 'torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ran.stdout.split() == ["True", "False"]
    with pytest.raises(AttributeError, match="has no attribute 'Ece'"):
        _ = metrics.Ece
