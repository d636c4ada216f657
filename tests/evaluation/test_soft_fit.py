"""Fits to labels that are drawn from people's shares (`fit_soft`, `--fit-soft`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

import calibench
from calibench import InputError, Outputs
from calibench.evaluation.soft_fit import with_drawn_labels

FIGURES = {"metrics": "nll", "resamples": 0}


def people(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits [n, 3], the shares of people (those of a temperature of 2), and the majority's labels."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3)) * 3
    shares = np.exp(z / 2) / np.exp(z / 2).sum(axis=1, keepdims=True)
    majority = np.where(rng.random(n) < 0.9, shares.argmax(axis=1), rng.integers(3, size=n))  # some votes are wrong
    return z, shares, majority


def test_drawn_labels_have_the_shares() -> None:
    shares = np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.25, 0.75]])
    outputs = Outputs(torch.zeros(40_000, 3))
    _, drawn = with_drawn_labels(
        (outputs, torch.zeros(40_000, dtype=torch.int64)), np.repeat(shares, 10_000, axis=0), 0
    )
    assert isinstance(drawn, torch.Tensor)
    observed = np.stack([np.bincount(part, minlength=3) for part in drawn.numpy().reshape(4, -1)]) / 10_000
    np.testing.assert_allclose(observed, shares, atol=0.02)
    assert (observed[shares == 0] == 0).all()


def test_a_fit_to_drawn_labels_is_the_minimum_against_the_shares() -> None:
    """The temperature of the soft cross-entropy, by SciPy, is 2; the majority's is lower, as arXiv 2603.22879 finds."""
    z, shares, majority = people(20_000, 1)
    others, _, truth = people(400, 2)

    def soft_nll(t: float) -> float:
        x = z / t
        return float((np.logaddexp.reduce(x, axis=1) - (shares * x).sum(axis=1)).mean())

    best = minimize_scalar(soft_nll, bounds=(0.5, 5), method="bounded").x
    assert best == pytest.approx(2, abs=1e-3)
    fitted = calibench.evaluate(
        others, truth, fit="temperature", fit_logits=z, fit_labels=majority, fit_soft=shares, **FIGURES
    ).fit
    assert fitted["temperature"] == pytest.approx(best, abs=0.05)
    assert fitted["labels"] == "drawn from the shares"
    hard = calibench.evaluate(others, truth, fit="temperature", fit_logits=z, fit_labels=majority, **FIGURES).fit
    assert hard["temperature"] < 1.7
    assert "labels" not in hard


@pytest.mark.parametrize("cross_fit", [None, 3])
@pytest.mark.parametrize("recipe", ["temperature", "platt", "svs"])
def test_shares_of_one_person_are_the_labels(recipe: str, cross_fit: int | None) -> None:
    z, _, y = people(200, 3)
    others, _, truth = people(150, 4)
    sources: dict[str, Any] = {"fit_logits": z, "fit_labels": y} if cross_fit is None else {"cross_fit": cross_fit}
    shares = np.eye(3)[y if cross_fit is None else truth]
    hard = calibench.evaluate(others, truth, fit=recipe, **sources, **FIGURES)
    soft = calibench.evaluate(others, truth, fit=recipe, fit_soft=shares, **sources, **FIGURES)
    assert soft.after == hard.after


def test_auto_fits_the_map_that_is_advised_on_drawn_labels() -> None:
    z, shares, majority = people(3000, 5)
    others, _, truth = people(3000, 6)
    record = calibench.evaluate(
        others, truth, fit="auto", fit_logits=z, fit_labels=majority, fit_soft=shares, **FIGURES
    )
    assert record.fit["recipe"] == "temperature"
    assert record.fit["temperature"] == pytest.approx(2, abs=0.2)


def test_mistakes_are_named() -> None:
    z, shares, y = people(60, 7)
    others, _, truth = people(50, 8)
    to_fit = {"fit": "temperature", "fit_logits": z, "fit_labels": y}
    with pytest.raises(InputError, match="nothing is fitted on them"):
        calibench.evaluate(z, y, fit_soft=shares)
    with pytest.raises(InputError, match=r"fit_soft has shape \[59, 3\]"):
        calibench.evaluate(others, truth, fit_soft=shares[1:], **to_fit)
    with pytest.raises(InputError, match="row 4 of fit_soft is no set of shares"):
        calibench.evaluate(others, truth, fit_soft=np.where(np.arange(60)[:, None] == 4, 0.9, shares), **to_fit)
    many = (np.random.default_rng(0).random((60, 3)) < 0.5).astype(int)
    with pytest.raises(InputError, match="one label a sample"):
        calibench.evaluate(z, many, fit="temperature", cross_fit=2, fit_soft=shares)


def test_the_command_reads_the_shares_of_the_file_to_fit_on(
    cli: Callable[..., Any], refused: Callable[..., str], tmp_path: Path
) -> None:
    z, shares, y = people(4000, 9)
    others, other_shares, truth = people(300, 10)
    np.savez(tmp_path / "val.npz", logits=z, labels=y, people=shares)
    np.savez(tmp_path / "test.npz", logits=others, labels=truth, people=other_shares)
    common = ("evaluate", "test.npz", "--fit", "temperature", "--resamples", "0", "--json", "--fit-soft", "people")
    ran = cli(*common, "--fit-on", "val.npz", "--soft", "people")
    assert ran.code == 0, ran.err
    assert ran.document["fit"]["temperature"] == pytest.approx(2, abs=0.2)
    assert ran.document["after"]["metrics"]["soft_nll"] < ran.document["metrics"]["soft_nll"]
    crossed = cli(*common, "--cross-fit", "4")
    assert crossed.code == 0, crossed.err
    assert not [w for w in crossed.document["warnings"] if "people" in w]
    refused(
        "evaluate", "test.npz", "val.npz", "--fit-soft", "people", says="there are 2 files", hint="one file at a time"
    )
    refused("evaluate", "test.npz", "--fit-soft", "people", "--stream", says="--fit-soft does not go with --stream")
