"""ECE from calibration_stats equals that of netcal and torchmetrics, except in the one case where torchmetrics differs."""

from __future__ import annotations

import warnings

import pytest
import torch

from calibench import kernels

pytestmark = [
    pytest.mark.filterwarnings("default::calibench.errors.CalibenchWarning"),
    pytest.mark.slow,  # importing the peers takes seconds
]


def ece(p: torch.Tensor, y: torch.Tensor, bins: int = 15) -> float:
    stats = kernels.calibration_stats(p, y, bins, from_probs=True)
    return float((stats.confidence_sum - stats.correct_sum).abs().sum() / stats.n)


def probabilities(n: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(n + k)
    x = torch.randn(n, k, generator=generator, dtype=torch.float64) * 2
    return x.softmax(dim=1), torch.randint(0, k, (n,), generator=generator)


@pytest.mark.parametrize("k", [3, 10, 100])
@pytest.mark.parametrize("bins", [10, 15])
def test_netcal_agrees_in_float64(bins: int, k: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        netcal = pytest.importorskip("netcal.metrics", reason="netcal is not installed")
    p, y = probabilities(3000, k)
    assert ece(p, y, bins) == pytest.approx(float(netcal.ECE(bins).measure(p.numpy(), y.numpy())), abs=1e-12)


def torchmetrics_ece(p: torch.Tensor, y: torch.Tensor) -> float:
    functional = pytest.importorskip("torchmetrics.functional.classification", reason="torchmetrics is not installed")
    return float(functional.multiclass_calibration_error(p.float(), y, num_classes=p.shape[1], n_bins=15, norm="l1"))


@pytest.mark.parametrize("k", [3, 10, 100])
def test_torchmetrics_agrees_to_float32(k: int) -> None:
    p, y = probabilities(3000, k)
    assert ece(p.float(), y) == pytest.approx(torchmetrics_ece(p, y), abs=2e-6)


def test_torchmetrics_gives_confidence_1_a_separate_bin() -> None:
    """Issue 3510 of torchmetrics: 15 bins are 16, so errors of opposite sign near 1 do not cancel there."""
    p = torch.tensor([[1.0, 0.0], [0.95, 0.05]], dtype=torch.float64)
    y = torch.tensor([1, 0])  # gaps +1.00 and -0.05
    assert ece(p, y) == pytest.approx(abs(1.0 - 0.05) / 2, abs=1e-15)
    assert torchmetrics_ece(p, y) == pytest.approx((1.0 + 0.05) / 2, abs=1e-6)
