"""Metrics against other people's libraries, and against known figures of three CIFAR-100 networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from metric_cases import simulated

from calibench.metrics.accuracy import Accuracy
from calibench.metrics.brier import Brier
from calibench.metrics.ece import ECE
from calibench.metrics.judged import Judged
from calibench.metrics.mce import MCE
from calibench.metrics.nll import Nll
from calibench.outputs.outputs import Outputs

CIFAR100 = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar100_test_probs.npz"


@pytest.mark.parametrize("seed", range(3))
def test_ece_equals_netcal(seed):
    netcal_metrics = pytest.importorskip("netcal.metrics")
    judged = simulated(3000, 8, seed)
    for bins in (10, 15):
        theirs = netcal_metrics.ECE(bins).measure(judged.probs.copy(), judged.labels.copy())
        assert ECE(bins).value(judged) == pytest.approx(theirs, abs=1e-12)


def test_mce_equals_netcal():
    netcal_metrics = pytest.importorskip("netcal.metrics")
    judged = simulated(3000, 8, seed=1)
    theirs = netcal_metrics.MCE(15).measure(judged.probs.copy(), judged.labels.copy())
    assert MCE(15).value(judged) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.slow
def test_accuracy_and_ece_agree_with_torchmetrics():
    functional = pytest.importorskip("torchmetrics.functional.classification")
    judged = simulated(3000, 8, seed=2)
    probs, labels = torch.tensor(judged.probs), torch.tensor(judged.labels)
    accuracy = functional.multiclass_accuracy(probs, labels, num_classes=8, average="micro")
    assert Accuracy().value(judged) == pytest.approx(float(accuracy), abs=1e-7)
    ece = functional.multiclass_calibration_error(probs, labels, num_classes=8, n_bins=15, norm="l1")
    assert ECE(15).value(judged) == pytest.approx(float(ece), abs=1e-5)


def test_scores_agree_with_sklearn():
    metrics = pytest.importorskip("sklearn.metrics")
    judged = simulated(3000, 8, seed=3)
    classes = list(range(8))
    assert Accuracy().value(judged) == metrics.accuracy_score(judged.labels, judged.prediction)
    theirs = metrics.log_loss(judged.labels, judged.probs, labels=classes)
    assert Nll().value(judged) == pytest.approx(theirs, abs=1e-12)
    brier = metrics.brier_score_loss(judged.labels, judged.probs, labels=classes, scale_by_half=False)
    assert Brier().value(judged) == pytest.approx(brier, abs=1e-12)


@pytest.mark.skipif(not CIFAR100.exists(), reason=f"the CIFAR-100 networks are not at {CIFAR100}")
@pytest.mark.parametrize(
    ("network", "accuracy", "ece", "nll", "brier"),
    [
        ("lenet5", 0.1246, 0.01488, 3.8131, 0.9520),
        ("wrn16_4", 0.7543, 0.05806, 0.9565, 0.3501),
        ("densenet_bc_100", 0.7541, 0.14215, 1.2256, 0.3845),
    ],
)
def test_three_cifar100_networks(network, accuracy, ece, nll, brier):
    with np.load(CIFAR100, allow_pickle=False) as file:
        probs, labels = torch.from_numpy(file[network]), torch.from_numpy(file["label"]).long()
    judged = Judged(Outputs(probs, from_probs=True), labels)
    assert Accuracy().value(judged) == accuracy
    assert ECE(15).value(judged) == pytest.approx(ece, abs=1e-5)
    assert Nll().value(judged) == pytest.approx(nll, abs=1e-4)
    assert Brier().value(judged) == pytest.approx(brier, abs=1e-4)
