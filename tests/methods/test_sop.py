"""`sop`: the loss and the steps of u and v against the authors' formula, the state, and the labels that it suspects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from objective_cases import (
    Array,
    K,
    N,
    blobs,
    build,
    log_softmax,
    logits_and_labels,
    loss_of,
    one_hot,
    value_and_gradient,
)
from pipeline_cases import members

from calibench.stages import Batch


def with_noise_terms(seed: int, recipe: str = "sop") -> tuple[Any, Array, Array]:
    """The objective with u and v that have grown, as float64 arrays u `[N, 1]` and v `[N, K]`."""
    rng = np.random.default_rng(seed)
    objective = build(recipe)
    u, v = rng.uniform(0.1, 0.9, size=(N, 1)), rng.uniform(-0.7, 0.7, size=(N, K))
    objective.u, objective.v = torch.from_numpy(u.copy()), torch.from_numpy(v.copy())
    return objective, u, v


def row_losses(z: Array, y: Array, u: Array, v: Array, detached: Array | None = None) -> Array:
    """Per row: the cross-entropy of the corrected prediction, and the squared distance; `detached` is the v of the first term."""
    o, p = one_hot(y, K), np.exp(log_softmax(z))
    kept = np.clip(u**2 * o, 0, 1)
    removed, removed_held = (np.clip(w**2 * (1 - o), 0, 1) for w in (v, v if detached is None else detached))
    q = np.maximum(p + kept - removed_held, 1e-4)
    q = np.maximum(q / q.sum(axis=1, keepdims=True), 1e-4)
    distance = one_hot(z.argmax(axis=1), K) + kept - removed - o
    return -(o * np.log(q)).sum(axis=1) + (distance**2).sum(axis=1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_loss_equals_the_formula(seed: int) -> None:
    z, y = logits_and_labels(seed)
    objective, u, v = with_noise_terms(seed)
    assert float(loss_of(objective, z, y).detach()) == pytest.approx(row_losses(z, y, u, v).mean(), rel=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_u_and_v_take_steps_of_gradient_descent(seed: int) -> None:
    """lr / 128 for each row: with batches of 128, SGD at `lr` on the mean loss, whose gradients are taken here by differences."""
    z, y = logits_and_labels(seed)
    objective, u, v = with_noise_terms(seed, "sop:lr_u=5,lr_v=20")
    loss_of(objective, z, y)
    h = 1e-6
    by_u = (row_losses(z, y, u + h, v) - row_losses(z, y, u - h, v)) / (2 * h)
    np.testing.assert_allclose(objective.u.numpy()[:, 0], u[:, 0] - 5 / 128 * by_u, atol=1e-8)
    for k in range(K):
        step = h * one_hot(np.full(N, k), K)
        by_v = (row_losses(z, y, u, v + step, v) - row_losses(z, y, u, v - step, v)) / (2 * h)
        np.testing.assert_allclose(objective.v.numpy()[:, k], v[:, k] - 20 / 128 * by_v, atol=1e-8)


def test_a_step_of_half_a_batch_moves_its_rows_as_far() -> None:
    z, y = logits_and_labels(3)
    whole, _, _ = with_noise_terms(3)
    half, _, _ = with_noise_terms(3)
    loss_of(whole, z, y)
    rows = torch.tensor([7, 2, 5])
    logits = torch.from_numpy(z)[rows]
    half.loss(logits, Batch(logits, torch.from_numpy(y)[rows], rows))
    torch.testing.assert_close(half.u[rows], whole.u[rows])
    torch.testing.assert_close(half.v[rows], whole.v[rows])
    assert not torch.equal(half.u[0], whole.u[0])


def test_at_the_start_the_gradient_is_that_of_cross_entropy() -> None:
    z, y = logits_and_labels(1, scale=1.0)
    _, gradient = value_and_gradient(build("sop"), z, y)
    _, expected = value_and_gradient(build("ce"), z, y)
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-12)


def test_rates_of_0_leave_the_noise_terms() -> None:
    z, y = logits_and_labels(1)
    objective, u, v = with_noise_terms(1, "sop:lr_u=0,lr_v=0")
    loss_of(objective, z, y)
    np.testing.assert_array_equal(objective.u.numpy(), u)
    np.testing.assert_array_equal(objective.v.numpy(), v)


def test_a_row_whose_noise_term_explains_its_label_is_suspected_and_no_longer_pulls() -> None:
    """Rows whose label the network contradicts: u grows to 1, the label counts as noise, and the gradient shrinks."""
    z = 4 * np.eye(K)[np.arange(N) % K]
    y = np.where(np.arange(N) < 3, (np.arange(N) + 1) % K, np.arange(N) % K)
    objective = build("sop", labels=y)
    assert not objective.suspected().any()
    _, first = value_and_gradient(objective, z, y)
    for _ in range(100):
        loss_of(objective, z, y)
    _, last = value_and_gradient(objective, z, y)
    assert objective.suspected().tolist() == (np.arange(N) < 3).tolist()
    assert np.abs(last[:3]).max() < 0.15 * np.abs(first[:3]).max()
    np.testing.assert_allclose(last[3:], first[3:], rtol=0.2)


def test_the_state_can_be_restored() -> None:
    z, y = logits_and_labels(0)
    objective, restored = build("sop"), build("sop")
    for _ in range(30):
        loss_of(objective, z, y)
    restored.load_state({name: tensor.clone() for name, tensor in objective.state().items()})
    first, again, fresh = (float(loss_of(stage, z, y).detach()) for stage in (objective, restored, build("sop")))
    assert again == first != fresh


def test_a_run_reports_the_labels_that_it_found(tmp_path: Path) -> None:
    dataset = blobs(tmp_path, 400)
    pipeline = members(
        "sop", dataset, noise="symmetric:rate=0.2", epochs=60, settings=["sop.lr=0.01", "sop.select=last"]
    )
    pipeline.run(("test",))
    figures = pipeline.fitted[0]
    assert figures["precision"] > 0.8
    assert figures["recall"] > 0.6
