"""`label-shift` draws test rows to other shares of the classes."""

from __future__ import annotations

import numpy as np
import pytest

from calibench import InputError
from calibench.data.shift import ShiftTask
from calibench_datasets.shift.label_shift import label_shift


def task(x: np.ndarray, y: np.ndarray | None = None, classes: int = 3, labels_per_sample: int = 1) -> ShiftTask:
    y = np.arange(len(x)) % classes if y is None else y
    return ShiftTask(x, y, classes, labels_per_sample, float(x.min()), float(x.max()))


@pytest.mark.parametrize("seed", range(4))
def test_rows_are_drawn_without_repetition_to_the_prior(seed):
    generator = np.random.default_rng(seed)
    y = generator.permutation(np.repeat([0, 1, 2], [200, 300, 500]))
    x = np.arange(1000, dtype=np.float32)[:, None]
    (variant,) = label_shift(task(x, y), None, (0.2, 0.8, 0.0), seed)
    assert len(np.unique(variant.rows)) == len(variant.rows) == 375  # 300 of class 1 are 80 % of 375
    assert np.bincount(y[variant.rows], minlength=3).tolist() == [75, 300, 0]
    assert variant.about["prior"] == [0.2, 0.8, 0.0]
    assert variant.about["distance"] == pytest.approx(0.5)  # (|0.2-0.2| + |0.8-0.3| + |0-0.5|) / 2
    np.testing.assert_array_equal(variant.x(), x[variant.rows])
    uniform = label_shift(task(x, y), None, (0.2, 0.3, 0.5), 0)[0]
    assert len(uniform.rows) == 1000
    assert uniform.about["distance"] == 0


def test_a_smaller_alpha_shifts_further():
    y = np.arange(4000) % 10
    x = np.zeros((4000, 1), dtype=np.float32)
    variants = label_shift(task(x, y, 10), (100.0, 1.0, 0.1), None, 3)
    assert [(v.kind, v.severity) for v in variants] == [("dirichlet", 100), ("dirichlet", 1), ("dirichlet", 0.1)]
    distances = [v.about["distance"] for v in variants]
    assert distances[0] < 0.1 < distances[1] < distances[2]
    for variant in variants:
        realised = np.bincount(y[variant.rows], minlength=10) / len(variant.rows)
        np.testing.assert_allclose(realised, variant.about["prior"])
        assert np.abs(realised - variant.about["prior_asked"]).max() <= 10 / len(variant.rows)
        assert max(np.bincount(y[variant.rows])) > 0.99 * 400  # the scarcest class is used up


def test_the_seed_decides_the_draw():
    y = np.arange(4000) % 10
    x = np.zeros((4000, 1), dtype=np.float32)
    first, again = (label_shift(task(x, y, 10), (100.0, 1.0, 0.1), None, 3) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.rows, b.rows)
    assert label_shift(task(x, y, 10), (100.0,), None, 4)[0].about["prior"] != first[0].about["prior"]
    assert [v.severity for v in label_shift(task(x, y, 10), None, None, 0)] == [10, 1, 0.1]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alphas": (1.0,), "prior": (0.2, 0.3, 0.5)}, "both alphas and prior are set"),
        ({"alphas": None, "prior": (0.5, 0.5)}, "prior has 2 shares"),
        ({"alphas": None, "prior": (0.5, 0.5, 0.2)}, "sum 1.2"),
        ({"alphas": (1.0, 1.0), "prior": None}, "an alpha is repeated"),
    ],
)
def test_impossible_parameters_are_refused(params, message):
    with pytest.raises(InputError, match=message):
        label_shift(task(np.zeros((30, 1), dtype=np.float32)), seed=0, **params)


def test_too_few_rows_and_several_labels_a_row_are_refused():
    x = np.zeros((30, 1), dtype=np.float32)
    with pytest.raises(InputError, match="leaves 8 of 30 test rows"):
        label_shift(task(x, np.repeat([0, 1, 2], [4, 20, 6])), None, (0.5, 0.0, 0.5), 0)
    with pytest.raises(InputError, match="have 2 labels each"):
        label_shift(task(x, np.ones((30, 2), dtype=np.int64), 2, 2), None, None, 0)
