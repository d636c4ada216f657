"""The joint test: its level is exact whatever the dependence of the families, and its critical values are its decisions."""

from __future__ import annotations

import numpy as np
import pytest

from calibench.evaluation.joint_test import JOINT_LEVEL, joint_test


def exchangeable(rng: np.random.Generator, draws: int) -> dict[str, np.ndarray]:
    """Three dependent families of 1, 5 and 1 figures; the first row is the data."""
    shared = rng.normal(size=(draws + 1, 1))
    wide = np.abs(0.7 * shared + rng.normal(size=(draws + 1, 5)))
    return {"a": np.abs(shared), "b": wide, "c": rng.exponential(size=(draws + 1, 1))}


def test_the_joint_level_holds() -> None:
    rng = np.random.default_rng(0)
    runs, found = 2000, 0
    for _ in range(runs):
        figures = exchangeable(rng, 99)
        test = joint_test({k: v[0] for k, v in figures.items()}, {k: v[1:] for k, v in figures.items()})
        found += any(test.found(name) for name in figures)
    margin = 4 * np.sqrt(JOINT_LEVEL * (1 - JOINT_LEVEL) / runs)
    assert found / runs <= JOINT_LEVEL + margin
    assert found / runs > JOINT_LEVEL / 3, "the test is not idle"


def test_a_large_figure_is_found_and_named() -> None:
    figures = exchangeable(np.random.default_rng(1), 999)
    observed = {name: rows[0].copy() for name, rows in figures.items()}
    observed["b"][3] = 9.0
    test = joint_test(observed, {name: rows[1:] for name, rows in figures.items()})
    assert test.found("b")
    assert test.p["b"].argmin() == 3
    assert test.p["b"][3] == pytest.approx(3 / 1000, abs=3 / 1000)
    assert (test.p["b"] <= JOINT_LEVEL).tolist() == (observed["b"] >= test.critical["b"]).tolist()


def test_few_draws_can_find_nothing() -> None:
    figures = exchangeable(np.random.default_rng(2), 9)
    observed = {name: np.full(rows.shape[1], 1e9) for name, rows in figures.items()}
    test = joint_test(observed, {name: rows[1:] for name, rows in figures.items()})
    assert not any(test.found(name) for name in figures)
    assert set(test.critical.values()) == {np.inf}
