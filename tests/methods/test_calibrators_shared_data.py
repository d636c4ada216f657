"""The calibrators on the CIFAR-100 probabilities of three networks; run as a program it prints the table of docs/calibrators.md."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from calibench import Outputs
from calibench.config.from_words import resolve_chain
from calibench.metrics.ece import ECE
from calibench.metrics.judged import Judged
from calibench.recipe.posthoc import PostHoc
from calibench.seeds import seeded

ROOT = Path(__file__).parents[1]
FILE = ROOT.parent / "shared" / "data" / "cifar100_test_probs.npz"
DOCS = ROOT / "docs" / "calibrators.md"
NETWORKS = ("lenet5", "wrn16_4", "densenet_bc_100")
FITTED_ON = 5000
SLOW = ("matrix", "bbq:of=classes")  # from probabilities matrix is dirichlet; both take 10 s
RECIPES = (
    *("temperature", "vector", "matrix", "dirichlet", "platt", "beta", "isotonic", "histogram", "bbq", "spline", "ets"),
    *("platt-binner", "ivap"),
    *("temperature+isotonic:of=top", "platt:of=top", "beta:of=top", "isotonic:of=top", "isotonic:floor=0"),
    *("histogram:binning=mass", "histogram:of=classes", "bbq:of=classes", "platt-binner:of=classes", "ivap:of=classes"),
)
"""First what each name means without parameters, then variants."""

needs_data = pytest.mark.skipif(not FILE.exists(), reason=f"{FILE} is not there")


@functools.cache
def load(network: str) -> tuple[Outputs, torch.Tensor, Outputs, torch.Tensor]:
    """What is fitted on, and what is judged."""
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


def assert_shown(found: tuple[float, float, float], shown: tuple[float, float, float]) -> None:
    """Equal to the last digit of the table."""
    assert (np.abs(np.subtract(found, shown)) <= (6e-5, 6e-3, 6e-3)).all(), (found, shown)


def row(recipe: str, shown: list[tuple[float, float, float]]) -> str:
    cells = [f"{nll:.4f} / {ece:.2f} / {accuracy:.2f}" for nll, ece, accuracy in shown]
    return f"| `{recipe}` | " + " | ".join(cells) + " |"


def written() -> dict[str, list[tuple[float, float, float]]]:
    """The table of the documentation."""
    found = {}
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 1 + len(NETWORKS) and re.search(r" / .* / ", cells[1]):
            found[cells[0].strip("`")] = [tuple(float(v) for v in cell.split(" / ")) for cell in cells[1:]]
    return found


@needs_data
@pytest.mark.parametrize(
    ("network", "t", "ece"),
    [("densenet_bc_100", 2.1209, 1.374), ("lenet5", 1.1071, 1.375), ("wrn16_4", 1.1099, 4.358)],
)
def test_temperature_gives_the_known_figures(network: str, t: float, ece: float) -> None:
    fit_outputs, fit_labels, outputs, labels = load(network)
    chain = PostHoc(resolve_chain("temperature", ("calibrator",), "t"), 100)
    assert chain.fit(fit_outputs, fit_labels)[0]["temperature"] == pytest.approx(t, abs=5e-5)
    assert figures(chain.apply(outputs), labels)[1] == pytest.approx(ece, abs=6e-4)


def test_the_table_is_whole() -> None:
    assert set(written()) == {"(none)", *RECIPES}


@needs_data
@pytest.mark.parametrize("recipe", [r for r in RECIPES if r not in SLOW])
def test_the_table_holds_what_comes_out(recipe: str) -> None:
    shown = written()[recipe][2]
    assert_shown(after(recipe, "densenet_bc_100"), shown)


@needs_data
def test_the_table_holds_what_was_there() -> None:
    for network, shown in zip(NETWORKS, written()["(none)"], strict=True):
        assert_shown(before(network), shown)


@pytest.mark.parametrize("recipe", [r for r in RECIPES if ":of=classes" not in r and r != "isotonic:floor=0"])
def test_all_improve_the_overconfident_network(recipe: str) -> None:
    """DenseNet, by the table, whose figures are checked above: NLL and ECE15. Only `of=classes` of steps does not."""
    nll, ece, accuracy = written()[recipe][2]
    without = written()["(none)"][2]
    assert nll < without[0] - 0.1
    assert ece < without[1] / 2
    assert accuracy > without[2] - 0.5


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("| recipe | " + " | ".join(NETWORKS) + " |\n|---|---|---|---|")
    print(row("(none)", [before(network) for network in NETWORKS]), flush=True)
    for name in RECIPES:
        print(row(name, [after(name, network) for network in NETWORKS]), flush=True)
