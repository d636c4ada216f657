"""The validation NLL that picks the checkpoint: through the model of noise where val is noisy, and without the scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noise_cases import SKEWED, symmetric
from objective_cases import Array, K, blobs, build, log_softmax, logits_and_labels
from pipeline_cases import members
from scipy.optimize import minimize_scalar
from torch import nn

from calibench.kernels import fit_temperature
from calibench.stages import TrainTask


def prepared(recipe: str) -> Any:
    objective = build(recipe)
    objective.prepare(TrainTask(torch.arange(9) % K, K, 10, None, lambda: nn.Linear(3, K)))
    return objective


def noisy_nll(z: Array, y: Array, transition: Array) -> float:
    """-log of the probability of the noisy label, p T."""
    return float(-np.log((np.exp(log_softmax(z)) @ transition)[np.arange(len(y)), y]).mean())


def clean_nll(z: Array, y: Array) -> float:
    return float(-log_softmax(z)[np.arange(len(y)), y].mean())


@pytest.fixture(scope="module")
def skewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("matrix") / "t.csv"
    np.savetxt(path, SKEWED, delimiter=",")
    return path


@pytest.mark.parametrize(
    "recipe", ["noise-ce:rate=0.3", "forward:rate=0.3", "backward:rate=0.3", "co-teaching:rate=0.3"]
)
def test_noisy_labels_are_scored_through_the_noise_model(recipe: str) -> None:
    z, y = logits_and_labels(1)
    logits, labels = torch.from_numpy(z), torch.from_numpy(y)
    objective = prepared(recipe)
    through = noisy_nll(z, y, symmetric(0.3, K))
    assert objective.noisy_validation_nll(logits, labels) == pytest.approx(through, rel=1e-12)
    assert objective.validation_nll(logits, labels) == pytest.approx(clean_nll(z, y), rel=1e-12)


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_noisy_labels_are_scored_through_a_matrix(method: str, skewed: Path) -> None:
    z, y = logits_and_labels(2)
    objective = prepared(f'{method}:matrix="{skewed}"')
    value = objective.noisy_validation_nll(torch.from_numpy(z), torch.from_numpy(y))
    assert value == pytest.approx(noisy_nll(z, y, SKEWED), rel=1e-12)


def test_the_true_class_has_the_lowest_score_through_the_model_and_not_without_it() -> None:
    """A network that knows the class: through T its score is the entropy of the labels, and confidence is not punished."""
    rng = np.random.default_rng(0)
    truth = rng.integers(K, size=20_000)
    y = np.where(np.arange(20_000) < 6000, (truth + rng.integers(1, K, size=20_000)) % K, truth)
    right, timid = 20 * np.eye(K)[truth], 2 * np.eye(K)[truth]
    objective, raw = prepared("noise-ce:rate=0.3"), prepared("ce")

    def score(stage: Any, z: Array) -> float:
        return float(stage.noisy_validation_nll(torch.from_numpy(z), torch.from_numpy(y)))

    assert score(objective, right) == pytest.approx(-0.7 * np.log(0.7) - 0.3 * np.log(0.1), abs=1e-6)
    assert score(objective, right) < score(objective, timid)
    assert score(raw, right) > score(raw, timid)


@pytest.mark.parametrize("on", ["train", "train;val"])
@pytest.mark.parametrize("recipe", ["noise-ce:rate=0.3", "forward:rate=0.3", "ce"])
def test_a_run_scores_noisy_val_through_the_noise_model(recipe: str, on: str, tmp_path: Path) -> None:
    pipeline = members(recipe, blobs(tmp_path, 300), noise=f"symmetric:rate=0.3,on={on}", epochs=3)
    pipeline.run(("test",))
    member = pipeline.first
    logits = member.network(torch.from_numpy(member.data.val.x)).detach().double().numpy()
    y = member.data.val.y
    through = noisy_nll(logits, y, symmetric(0.3, 3)) if on == "train;val" and recipe != "ce" else clean_nll(logits, y)
    assert pipeline.fitted[0]["val_nll"] == pytest.approx(through, rel=1e-5)


def test_logit_norm_is_scored_at_the_best_temperature_whatever_the_scale() -> None:
    rng = np.random.default_rng(3)
    z, y = rng.normal(size=(400, K)) * 3, rng.integers(K, size=400)
    z[np.arange(400), y] += 2
    objective = build("logit-norm")
    values = [objective.validation_nll(torch.from_numpy(c * z), torch.from_numpy(y)) for c in (1e-3, 1.0, 40.0)]
    best = minimize_scalar(
        lambda u: clean_nll(z / np.exp(u), y), bounds=(-4, 4), method="bounded", options={"xatol": 1e-9}
    )
    np.testing.assert_allclose(values, best.fun, rtol=1e-7)
    assert values[1] == pytest.approx(fit_temperature(z, y).nll_after, rel=1e-7)


def test_logit_norm_has_a_score_where_no_temperature_is_best() -> None:
    """Only right predictions: the NLL falls to 0 with T. Equal logits, or random ones: log K is the bound."""
    y = torch.arange(40) % K
    objective = build("logit-norm")
    assert objective.validation_nll(torch.eye(K)[y], y) < 1e-6
    assert objective.validation_nll(torch.zeros(40, K), y) == pytest.approx(np.log(K))
    assert objective.validation_nll(-torch.eye(K)[y], y) == pytest.approx(np.log(K), rel=1e-3)
