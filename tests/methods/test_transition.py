"""Transition matrices of `forward` and `backward`: estimates against loops and cleanlab, files, and the corrected losses."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from noise_cases import SKEWED, simulated, symmetric
from objective_cases import Array, build, log_softmax, value_and_gradient

from calibench import InputError
from calibench.config.resolve import resolve
from calibench.errors import RunError
from calibench.stages.build import build_stage
from calibench_methods.objectives.label_noise import anchors
from calibench_methods.objectives.transition import anchor_counts, confident_counts, uniform
from calibench_methods.objectives.transition_file import read_matrix

# --- estimates ------------------------------------------------------------------------------------------------------


def confident_joint(labels: Array, probs: Array) -> Array:
    """The paper's counts, calibrated, by a loop over rows: noisy label by row, class by column."""
    k = probs.shape[1]
    thresholds = [probs[labels == j, j].mean() if (labels == j).any() else math.inf for j in range(k)]
    counts = np.zeros((k, k))
    for label, p in zip(labels, probs, strict=True):
        confident = [j for j in range(k) if p[j] >= thresholds[j]]
        if confident:
            counts[label, max(confident, key=lambda j: p[j])] += 1
    return np.array([row / max(row.sum(), 1) * (labels == j).sum() for j, row in enumerate(counts)])


@pytest.mark.parametrize("seed", range(3))
def test_confident_counts_equal_a_loop(seed: int) -> None:
    _, noisy, probs = simulated(800, 4, SKEWED, seed, skill=2.0)
    counts = confident_counts(torch.from_numpy(probs), torch.from_numpy(noisy))
    np.testing.assert_allclose(counts.numpy().T, confident_joint(noisy, probs), rtol=1e-12)
    assert counts.sum() == pytest.approx(800)


def test_confident_counts_equal_cleanlab() -> None:
    """cleanlab breaks ties differently from the paper, and these samples have none.

    It rounds calibrated counts, so uncalibrated shares are compared.
    """
    count = pytest.importorskip("cleanlab.count", reason='pip install "calibench[noise]"')
    _, noisy, probs = simulated(4000, 4, symmetric(0.2, 4), seed=1, skill=6.0)
    joint = count.compute_confident_joint(noisy, probs, calibrate=False)
    counts = confident_counts(torch.from_numpy(probs), torch.from_numpy(noisy)).numpy().T
    shares = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(counts / counts.sum(axis=1, keepdims=True), shares, rtol=1e-9)


@pytest.mark.parametrize(("estimate", "tolerance"), [("anchor", 0.03), ("counts", 0.06)])
def test_the_estimated_matrix_is_near_the_true_one(estimate: str, tolerance: float) -> None:
    _, noisy, probs = simulated(30_000, 4, SKEWED, seed=4, skill=6.0)
    objective = build(f"forward:estimate={estimate}", 4, probs=probs, labels=noisy)
    matrix = objective.log_matrix.exp().numpy()
    np.testing.assert_allclose(matrix, SKEWED, atol=tolerance)
    assert objective.figures()["transition_diagonal"] == pytest.approx(matrix.diagonal().tolist())
    assert matrix.sum(axis=1) == pytest.approx(1)


def test_anchor_counts_are_label_counts_plus_one_row_per_class() -> None:
    _, noisy, probs = simulated(2000, 4, SKEWED, seed=0)
    y = torch.from_numpy(noisy)
    for k, rows in enumerate(anchors(torch.from_numpy(probs), y)):
        expected = [(noisy[rows] == j).sum() + 0.25 for j in range(4)]
        assert anchor_counts(torch.from_numpy(probs), y)[k].tolist() == expected


@pytest.mark.parametrize("estimate", ["anchor", "counts"])
def test_a_class_without_confident_rows_is_refused(estimate: str) -> None:
    _, noisy, probs = simulated(500, 4, symmetric(0.1, 4), seed=0)
    probs = np.concatenate([probs, np.full((500, 1), 1e-9)], axis=1)
    with pytest.raises(RunError, match="surely of class 4"):
        build(f"backward:estimate={estimate}", 5, probs=probs / probs.sum(axis=1, keepdims=True), labels=noisy)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.floats(0, 0.99))
def test_the_uniform_matrix_has_the_rate_beside_the_diagonal(k: int, share: float) -> None:
    rate = share * (k - 1) / k
    np.testing.assert_allclose(uniform(rate, k).numpy(), symmetric(rate, k), atol=1e-12)


# --- the corrected losses -------------------------------------------------------------------------------------------


@pytest.fixture
def skewed(tmp_path: Path) -> Path:
    """The skewed matrix as a file."""
    file = tmp_path / "T.csv"
    file.write_text("\n".join(",".join(map(str, row)) for row in SKEWED) + "\n")
    return file


def corrected(recipe: str, z: Array, y: Array) -> tuple[float, Array]:
    """The value and gradient of the loss."""
    return value_and_gradient(build(recipe, z.shape[1], len(y)), z, y)


def test_forward_and_backward_with_a_matrix_equal_their_formulas(skewed: Path) -> None:
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(7, 4)) * 2, rng.integers(4, size=7)
    p, inverse = np.exp(log_softmax(z)), np.linalg.inv(SKEWED)
    value, gradient = corrected(f"forward:matrix={skewed}", z, y)
    label_probs = np.array([SKEWED[:, y[i]] @ p[i] for i in range(7)])
    assert value == pytest.approx(-np.log(label_probs).mean(), rel=1e-12)
    posterior = SKEWED[:, y].T * p / label_probs[:, None]  # of the true class, given the noisy label
    np.testing.assert_allclose(gradient, (p - posterior) / 7, rtol=1e-9, atol=1e-13)
    value, gradient = corrected(f"backward:matrix={skewed}", z, y)
    assert value == pytest.approx(np.mean([inverse[y[i]] @ -log_softmax(z)[i] for i in range(7)]), rel=1e-12)
    # Rows of the matrix sum to 1, so rows of its inverse do too.
    np.testing.assert_allclose(gradient, (p - inverse[y]) / 7, rtol=1e-9, atol=1e-13)


def test_backward_is_unbiased_and_forward_has_its_minimum_at_the_truth(skewed: Path) -> None:
    z = np.random.default_rng(1).normal(size=(1, 4))
    p = np.exp(log_softmax(z))[0]
    labels = np.arange(4)
    backward = [corrected(f"backward:matrix={skewed}", z, labels[[j]])[0] for j in labels]
    np.testing.assert_allclose(SKEWED @ backward, -np.log(p), rtol=1e-10)
    noisy = p @ SKEWED  # the distribution of the noisy label, if the true class has distribution p
    slope = sum(noisy[j] * corrected(f"forward:matrix={skewed}", z, labels[[j]])[1] for j in labels)
    np.testing.assert_allclose(slope, 0, atol=1e-12)


@pytest.mark.parametrize("name", ["forward", "backward"])
def test_an_identity_matrix_gives_cross_entropy_which_is_finite_where_p_is_0(name: str, tmp_path: Path) -> None:
    (tmp_path / "I.csv").write_text("1,0,0,0\n0,1,0,0\n0,0,1,0\n0,0,0,1")
    z, y = np.random.default_rng(0).normal(size=(6, 4)), np.array([0, 1, 2, 3, 0, 1])
    value, gradient = corrected(f"{name}:matrix={tmp_path}/I.csv", z, y)
    assert value == pytest.approx(-log_softmax(z)[np.arange(6), y].mean(), rel=1e-12)
    value, gradient = corrected(f"{name}:matrix={tmp_path}/I.csv", np.eye(4)[[1, 2, 3, 0, 2, 2]] * 1e4, y)
    assert value == pytest.approx(1e4)
    assert np.isfinite(gradient).all()


# --- the file -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.9,0.1\n0.2,0.7\n", "line 2 is no distribution"),
        ("0.9,0.1\n0.2,0.8\n0.5,0.5\n", "line 1 has 2 values, and there are 3 lines"),
        ("a,b\n0.9,0.1\n", "line 1: a value is not a number"),
        ("nan,0.1\n0.2,0.8\n", "line 1 is no distribution"),
        ("1.2,-0.2\n0.2,0.8\n", "line 1 is no distribution"),
        ("1\n", "this file has 1"),
        ("", "this file has 0"),
        ("0.5,0.5\n0.5,0.5\n", "singular"),
        ("1,0\n1,0\n", "singular"),  # no class has the label 1
        ("0.8,0.1,0.1\n0.1,0.8,0.1\n0.1,0.1,0.8\n", "3 rows for 2 classes"),
    ],
)
def test_a_bad_matrix_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "T.csv").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        build(f"forward:matrix={tmp_path}/T.csv", 2)
    assert "T.csv" in caught.value.message
    assert caught.value.hint


def test_a_missing_matrix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*none\.csv"):
        build(f"forward:matrix={tmp_path}/none.csv", 2)


def test_rows_are_divided_by_their_sums(tmp_path: Path) -> None:
    (tmp_path / "T.csv").write_text("0.5,0.4999\n0.3333,0.6666\n")
    assert read_matrix(str(tmp_path / "T.csv")).sum(dim=1).tolist() == pytest.approx([1, 1])


def test_the_digest_of_the_file_changes_with_its_content(skewed: Path) -> None:
    digests = [build_stage(resolve(f"{name}:matrix={skewed}").objective).files for name in ("forward", "backward")]
    assert digests[0] == digests[1] != ""
    skewed.write_text(skewed.read_text().replace("0.25", "0.250"))
    assert build_stage(resolve(f"forward:matrix={skewed}").objective).files != digests[0]
    assert build_stage(resolve("forward:rate=0.1").objective).files == ""
