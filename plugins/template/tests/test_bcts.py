"""Tests of the method: its fit on data with a known answer, and one small run through calibench."""

import torch
from calibench_template.bcts import BCTS

import calibench


def test_the_fit_recovers_temperature_and_bias() -> None:
    """Labels are drawn from softmax(z / 2 + b), so the fit on many samples comes near T = 2 and b."""
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(10_000, 3, generator=generator, dtype=torch.float64)
    bias = torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64)
    labels = torch.multinomial((logits / 2 + bias).softmax(dim=1), 1, generator=generator)[:, 0]
    method, outputs = BCTS(l2=0.0), calibench.Outputs(logits)
    fitted = method.fit(outputs, labels)
    assert abs(fitted["temperature"] - 2) < 0.1
    assert torch.allclose(torch.tensor(fitted["bias"], dtype=torch.float64), bias, atol=0.1)
    assert fitted["nll_after"] < fitted["nll_before"]
    after = method.apply(outputs, fitted)
    assert torch.allclose(after.probs(), (logits / 2 + bias).softmax(dim=1), atol=0.05)


def test_a_class_without_samples_keeps_a_finite_bias() -> None:
    """Without the L2 term the likelihood would send its bias to minus infinity."""
    logits = torch.randn(200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    fitted = BCTS(l2=1e-3).fit(calibench.Outputs(logits), torch.arange(200) % 2)
    assert -50 < fitted["bias"][2] < -1


def test_a_run_finds_the_method_by_name() -> None:
    """The record holds the recipe and the fitted values of the method."""
    record = calibench.run(method="ce+bcts:l2=0.01", epochs=2, results=None)
    assert record.recipe == "ce:epochs=2+bcts:l2=0.01"
    assert len(record.fitted[-1]["bias"]) == record.data["classes"]
