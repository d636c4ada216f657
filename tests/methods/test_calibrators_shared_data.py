"""Calibrators on the CIFAR-100 probabilities of three networks. As a program it prints docs/evidence/calibrators.md's table."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from calibench import Outputs
from calibench.config.resolve import resolve_chain
from calibench.metrics.ece import ECE
from calibench.metrics.judged import Judged
from calibench.recipe.posthoc import PostHoc
from calibench.seeds import seeded

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT.parent / "shared" / "data" / "cifar100_test_probs.npz"
DOCS = ROOT / "docs" / "evidence" / "calibrators.md"
NETWORKS = ("lenet5", "wrn16_4", "densenet_bc_100")
FITTED_ON = 5000
UNTESTED = ("matrix", "bbq:of=classes")  # each takes 10 s; for probabilities matrix equals dirichlet
RECIPES = (
    *("temperature", "vector", "matrix", "dirichlet", "platt", "beta", "isotonic", "histogram", "bbq", "spline", "ets"),
    *("platt-binner", "ivap", "svs", "sms", "quadratic", "cir", "irm", "kernel", "cdf-spline", "spline-calib"),
    *("hist-quantile", "adaptive-temperature"),
    *("temperature+isotonic:of=top", "platt:of=top", "beta:of=top", "isotonic:of=top", "isotonic:floor=0"),
    *("temperature+spline", "quadratic:of=top", "platt:targets=labels", "spline-calib:of=top"),
    *("histogram:binning=mass", "histogram:of=classes", "bbq:of=classes", "platt-binner:of=classes", "ivap:of=classes"),
    "ets:loss=ce",
)
"""Every calibrator with its defaults, then variants."""

needs_data = pytest.mark.skipif(not FILE.exists(), reason=f"{FILE} is not there")


@functools.cache
def load(network: str) -> tuple[Outputs, torch.Tensor, Outputs, torch.Tensor]:
    """Outputs and labels to fit, and outputs and labels to judge."""
    with np.load(FILE) as arrays:
        probs, labels = torch.from_numpy(arrays[network]), torch.from_numpy(arrays["label"].astype(np.int64))
    parts = [Outputs(part, from_probs=True) for part in (probs[:FITTED_ON], probs[FITTED_ON:])]
    return parts[0], labels[:FITTED_ON], parts[1], labels[FITTED_ON:]


def figures(outputs: Outputs, labels: torch.Tensor) -> tuple[float, float, float]:
    """NLL in nats, ECE15 and accuracy in percent."""
    judged = Judged(outputs, labels)
    return float(judged.nll.mean()), 100 * ECE(bins=15).value(judged), 100 * float(judged.correct.mean())


@functools.cache
def after(recipe: str, network: str) -> tuple[float, float, float]:
    fit_outputs, fit_labels, outputs, labels = load(network)
    chain = PostHoc(resolve_chain(recipe, ("calibrator", "decision"), recipe), outputs.num_classes)
    with seeded(0):
        chain.fit(fit_outputs, fit_labels)
        return figures(chain.apply(outputs), labels)


def before(network: str) -> tuple[float, float, float]:
    return figures(*load(network)[2:])


def assert_equals_table(computed: tuple[float, float, float], documented: tuple[float, float, float]) -> None:
    """Equal to the last digit of the table."""
    assert (np.abs(np.subtract(computed, documented)) <= (6e-5, 6e-3, 6e-3)).all(), (computed, documented)


def row(recipe: str, by_network: list[tuple[float, float, float]]) -> str:
    cells = [f"{nll:.4f} / {ece:.2f} / {accuracy:.2f}" for nll, ece, accuracy in by_network]
    return f"| `{recipe}` | " + " | ".join(cells) + " |"


@functools.cache
def documented() -> dict[str, list[tuple[float, float, float]]]:
    """The table of the documentation: figures of each network, by recipe."""
    table = {}
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 1 + len(NETWORKS) and re.search(r" / .* / ", cells[1]):
            table[cells[0].strip("`")] = [tuple(float(v) for v in cell.split(" / ")) for cell in cells[1:]]
    return table


@needs_data
@pytest.mark.parametrize(
    ("network", "t", "ece"),
    [("densenet_bc_100", 2.1209, 1.374), ("lenet5", 1.1071, 1.375), ("wrn16_4", 1.1099, 4.358)],
)
def test_temperature_gives_known_figures(network: str, t: float, ece: float) -> None:
    fit_outputs, fit_labels, outputs, labels = load(network)
    chain = PostHoc(resolve_chain("temperature", ("calibrator",), "t"), 100)
    assert chain.fit(fit_outputs, fit_labels)[0]["temperature"] == pytest.approx(t, abs=5e-5)
    assert figures(chain.apply(outputs), labels)[1] == pytest.approx(ece, abs=6e-4)


def test_the_table_lists_every_recipe() -> None:
    assert set(documented()) == {"(none)", *RECIPES}


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("recipe", [r for r in RECIPES if r not in UNTESTED])
def test_the_table_has_the_figures_of_densenet(recipe: str) -> None:
    assert_equals_table(after(recipe, "densenet_bc_100"), documented()[recipe][2])


@needs_data
def test_the_table_has_the_figures_before_calibration() -> None:
    for network, figures_before in zip(NETWORKS, documented()["(none)"], strict=True):
        assert_equals_table(before(network), figures_before)


NOT_FOR_MANY_CLASSES = {"isotonic:floor=0", "kernel", "cdf-spline", "hist-quantile"}
"""Maps that CalArena runs as they are, with about 50 hits a class; docs/evidence/calibrators.md says what they do here."""


@pytest.mark.parametrize("recipe", [r for r in RECIPES if ":of=classes" not in r and r not in NOT_FOR_MANY_CLASSES])
def test_calibrators_improve_the_overconfident_network(recipe: str) -> None:
    """NLL and ECE15 of DenseNet fall, by the table that the tests above check. Step maps with `of=classes` are left out."""
    nll, ece, accuracy = documented()[recipe][2]
    nll_before, ece_before, accuracy_before = documented()["(none)"][2]
    assert nll < nll_before - 0.1
    assert ece < ece_before / 2
    assert accuracy > accuracy_before - 0.5


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("| recipe | " + " | ".join(NETWORKS) + " |\n|---|---|---|---|")
    print(row("(none)", [before(network) for network in NETWORKS]), flush=True)
    for name in RECIPES:
        print(row(name, [after(name, network) for network in NETWORKS]), flush=True)
