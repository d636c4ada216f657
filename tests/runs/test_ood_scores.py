"""Runs with OOD scores of features: what is ranked, what a recipe lacks, and what is refused before training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digit_sets import digit_images, quick

from calibench import InputError, run
from calibench.records.store import read_predictions

SCORES = ["max-softmax", "mahalanobis", "knn:k=5", "vim", "react", "ash:percentile=50", "gradnorm"]


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The digits 0 to 6 as a dataset, and the digits 7, 8 and 9 as an OOD set."""
    folder = tmp_path_factory.mktemp("held-out")
    x, y = digit_images()
    inside = y < 7
    np.savez(folder / "in.npz", train_x=x[inside], train_y=y[inside])
    rest, labels = x[~inside], y[~inside] - 7
    np.savez(folder / "out.npz", train_x=rest[:100], train_y=labels[:100], test_x=rest[100:], test_y=labels[100:])
    return f"npz:path={folder / 'in.npz'}", f"npz:path={folder / 'out.npz'}"


@pytest.mark.slow
def test_scores_of_features_tell_held_out_digits_from_the_others(held_out: tuple[str, str]) -> None:
    dataset, ood_set = held_out
    options: dict[str, Any] = {"dataset": dataset, "model": "mlp:hidden=64", "epochs": 25, "ood": [ood_set]}
    record = quick("ce+temperature", ood_score=SCORES, **options)
    assert [row["score"] for row in record.ood] == [score.replace("=50", "=50.0") for score in SCORES]
    figures = {row["score"]: row["metrics"] for row in record.ood}
    for score, metrics in figures.items():
        assert metrics["auroc"] > 0.75, (score, metrics)
        suffix = "" if score == "max-softmax" else f"_{score}"
        assert record.metrics[f"ood_auroc_{ood_set}{suffix}"] == metrics["auroc"]
    assert figures["mahalanobis"]["auroc"] > 0.85
    plain = quick("ce", ood_score=["mahalanobis", "energy"], **options)
    assert plain.ood[0]["metrics"] == figures["mahalanobis"], "a calibrator changes no feature"
    refit = quick("tst:epochs=2", ood_score=["mahalanobis", "vim"], **options)
    assert refit.ood[0]["metrics"] == figures["mahalanobis"], "a refitted head stands on the same body"
    assert refit.ood[1]["note"] == "score vim needs a linear layer on the features, and this recipe has a Sequential"
    linear = quick("tst:epochs=2,head=linear", ood_score=["vim", "gradnorm"], **options)
    assert linear.ood[0]["metrics"]["auroc"] not in (None, figures["vim"]["auroc"]), (
        "the refitted head gives its logits"
    )
    assert plain.run_id != quick("ce", ood_score=["mahalanobis:relative=true", "energy"], **options).run_id


@pytest.mark.slow
def test_stored_scores_are_those_of_the_features(features: Any, tmp_path: Path) -> None:
    """With the model `frozen` the rows are the features themselves."""
    train, far = features["train_x"], features["test_x"] * 0.1
    np.savez(
        tmp_path / "far.npz", train_x=train * 0.1, train_y=features["train_y"], test_x=far, test_y=features["test_y"]
    )
    data, ood_set = f"npz:path={tmp_path}/features.npz", f"npz:path={tmp_path}/far.npz"
    record = run(
        "ce",
        data,
        model="frozen",
        ood=[ood_set],
        ood_score=["knn:k=3", "gradnorm"],
        results=tmp_path / "r",
        device="cpu",
    )
    stored = read_predictions(tmp_path / "r", record)
    logits = far.astype(np.float64) @ features["head_weight"].T + features["head_bias"]
    probs = np.exp(logits - logits.max(1, keepdims=True))
    probs /= probs.sum(1, keepdims=True)
    expected = -np.abs(far.astype(np.float64)).sum(1) * np.abs(probs - 1 / probs.shape[1]).sum(1)
    np.testing.assert_allclose(stored[f"ood.{ood_set}.gradnorm"], expected, rtol=1e-5)
    assert (stored[f"ood.{ood_set}.knn:k=3"] >= 0).all()


@pytest.mark.slow
def test_recipes_without_one_body_leave_the_figures_undefined_beside_other_scores(held_out: tuple[str, str]) -> None:
    dataset, ood_set = held_out
    scores = ["knn", "max-softmax"]
    ensemble = quick("ensemble:members=2", dataset=dataset, ood=[ood_set], ood_score=scores)
    sampled = quick("batch-ensemble", dataset=dataset, ood=[ood_set], ood_score=scores)
    for record, why in (
        (ensemble, "method 'ensemble' has a body for each member"),
        (sampled, "method 'batch-ensemble' changes the network for each of its predictions"),
    ):
        knn, softmax = record.ood
        assert set(knn["metrics"].values()) == {None}
        assert knn["note"] == f"score knn needs the features of one body: {why}"
        assert softmax["metrics"]["auroc"] is not None
        assert record.metrics[f"ood_auroc_{ood_set}_knn"] is None


def test_scores_that_a_recipe_cannot_have_are_refused_before_training(held_out: tuple[str, str]) -> None:
    dataset, ood_set = held_out

    def refused(recipe: str, *scores: str) -> None:
        def report(*progress: object) -> None:
            raise AssertionError("something was trained")

        run(recipe, dataset, ood=[ood_set], ood_score=list(scores), results=None, report=report)

    with pytest.raises(InputError, match="score knn needs the features of one body: method 'ensemble' has a body"):
        refused("ensemble:members=2", "knn", "vim")
    with pytest.raises(InputError, match="method 'packed' changes the network for each of its predictions"):
        refused("packed", "mahalanobis")
    with pytest.raises(InputError, match="ood-score 'ash': percentile=100"):
        refused("ce", "ash:percentile=100")
