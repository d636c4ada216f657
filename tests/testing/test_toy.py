"""Toy data and small runs: learnable, seeded, and free of the caller's global generators."""

from __future__ import annotations

import random

import numpy as np
import torch

from calibench.testing import seeded_run, toy_arrays, toy_judged, toy_outputs


def test_arrays_are_four_splits_of_all_classes():
    arrays = toy_arrays(rows=120, classes=4)
    splits = [(arrays.x, arrays.y), arrays.val, arrays.cal, arrays.test]
    assert [len(x) for x, _ in splits] == [60, 20, 20, 20]
    assert all(set(y) == {0, 1, 2, 3} and x.shape[1:] == (8, 8) for x, y in splits)
    assert np.array_equal(arrays.x, toy_arrays(rows=120, classes=4).x)
    assert not np.array_equal(arrays.x, toy_arrays(rows=120, classes=4, seed=1).x)


def test_outputs_are_too_sure_by_a_factor_of_two():
    outputs, labels = toy_outputs(rows=20_000, seed=3)
    nll = {t: float(torch.nn.functional.cross_entropy(outputs.logits() / t, labels)) for t in (1.0, 1.5, 2.0, 2.5, 3.0)}
    assert min(nll, key=nll.get) == 2.0
    judged = toy_judged(rows=300)
    assert judged.n == 300
    assert judged.confidence.mean() > judged.correct.mean() + 0.05


def test_nothing_here_touches_the_global_generators():
    states = random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state()
    toy_arrays()
    toy_outputs()
    toy_judged()
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tobytes() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


def test_a_seeded_run_is_a_whole_record(tmp_path):
    record = seeded_run("ce+temperature", seed=2, epochs=3, results=tmp_path)
    again = seeded_run("ce+temperature", seed=2, epochs=3)
    assert (record.recipe, record.seed) == ("ce:epochs=3+temperature", 2)
    assert record.metrics == again.metrics
    assert len(list((tmp_path / "records").glob("*.json"))) == 1
