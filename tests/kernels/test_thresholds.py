"""softmax_threshold, softmax_threshold_sets, sigmoid_threshold on each backend: exactly the decisions and sets of float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kernel_backends import assert_threads_change_nothing, each_backend, fused_only
from kernel_cases import CLASSES, LENGTHS, draw, layouts, rows_for
from kernel_definitions import TYPES, Floats
from kernel_threshold_checks import check_sigmoid, check_softmax

from calibench import kernels

STRICT = pytest.mark.parametrize("strict", [False, True], ids=["reaches", "exceeds"])


def class_thresholds(k: int) -> Floats:
    """A threshold for each class: some that no probability reaches, and some that all reach."""
    return np.random.default_rng(k).uniform(0, min(1, 3 / k), k)


@pytest.mark.slow
@each_backend
@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_equals_the_definition(dtype: torch.dtype, k: int) -> None:
    x, _ = draw(rows_for(k), k, dtype)
    for thresholds, strict in (
        (0.4, False),
        (0.0, True),
        (1.0, False),
        (class_thresholds(k), True),
        (class_thresholds(k), False),
    ):
        check_softmax(x, thresholds, strict)
    for thresholds, strict in ((0.73, True), (class_thresholds(k), False)):
        check_sigmoid(x, thresholds, strict)


@fused_only
@pytest.mark.parametrize("n", LENGTHS)
def test_any_number_of_rows(n: int) -> None:
    for k in (1, 2, 3, 10, 33):
        for dtype in TYPES[:2]:
            x, _ = draw(n, k, dtype)
            check_softmax(x, class_thresholds(k))
            check_sigmoid(x, class_thresholds(k))


@fused_only
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_any_number_of_classes(dtype: torch.dtype) -> None:
    for k in [*range(1, 36), 63, 64, 65, 127, 129, 257, 1025]:
        x, _ = draw(7, k, dtype)
        check_softmax(x, class_thresholds(k))
        check_sigmoid(x, class_thresholds(k))


@each_backend
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize(("n", "k"), [(61, 12), (9, 3), (5, 200)])
def test_any_strides(dtype: torch.dtype, n: int, k: int) -> None:
    x, _ = draw(n, k, dtype)
    wide = np.full(2 * k, np.nan)
    wide[::2] = class_thresholds(k)
    for view in [view for _, view in layouts(x)] + [x[:1].expand(n, k), x[:, :1].expand(n, k)]:
        prediction = check_softmax(view, class_thresholds(k))
        check_sigmoid(view, class_thresholds(k))
        strided = kernels.softmax_threshold(view, torch.from_numpy(wide)[::2])
        assert torch.equal(strided.prediction, prediction)


@fused_only
def test_the_longest_rows_in_odd_strides() -> None:
    for dtype in TYPES:
        x = draw(2, 40_000, dtype)[0].t().contiguous().t()
        check_softmax(x, class_thresholds(40_000))
        check_sigmoid(x, class_thresholds(40_000))


@each_backend
def test_thresholds_in_any_form() -> None:
    """A float, a list, a tuple, or a tensor `[1]` or `[]`."""
    x, _ = draw(101, 4)
    expected = kernels.softmax_threshold(x, 0.4)
    for thresholds in (
        [0.4] * 4,
        (0.4,) * 4,
        torch.tensor([0.4], dtype=torch.float64),
        torch.tensor(0.4, dtype=torch.float64),
    ):
        decision = kernels.softmax_threshold(x, thresholds)
        assert torch.equal(decision.prediction, expected.prediction)
        assert torch.equal(decision.confidence, expected.confidence)
        assert torch.equal(
            kernels.softmax_threshold_sets(x, thresholds).sets, kernels.softmax_threshold_sets(x, 0.4).sets
        )
        assert torch.equal(kernels.sigmoid_threshold(x, thresholds).sets, kernels.sigmoid_threshold(x, 0.4).sets)


@each_backend
def test_four_classes_by_hand() -> None:
    x = torch.tensor([[0.6, 0.3, 0.1, 0.0], [0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4]], dtype=torch.float64)
    x = (x + 1e-12).log()
    decision = kernels.softmax_threshold(x, [0.9, 0.2, 0.05, 0.45])
    assert decision.prediction.tolist() == [
        1,
        1,
        2,
    ]  # the most probable class that passes, not the most probable of all
    np.testing.assert_allclose(decision.confidence, [0.3, 0.25, 0.3], rtol=1e-11)
    abstained = kernels.softmax_threshold(x, 0.95)
    assert abstained.prediction.tolist() == [-1, -1, -1]
    np.testing.assert_allclose(abstained.confidence, [0.6, 0.25, 0.4], rtol=1e-11)
    result = kernels.softmax_threshold_sets(x, [0.9, 0.2, 0.05, 0.45])
    assert result.sets.int().tolist() == [[0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0]]
    assert result.sizes.tolist() == [2, 2, 2]


@each_backend
@STRICT
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_exactly_on_the_threshold(dtype: torch.dtype, strict: bool) -> None:
    """c tied classes have p = 1/c, which reaches 1/c and does not exceed it, even if a float32 sum says otherwise."""
    for c, k in ((1, 1), (2, 2), (3, 3), (2, 7), (4, 16), (7, 30), (10, 10), (49, 100), (1000, 1000)):
        x = torch.full((19, k), -90.0, dtype=dtype)  # exp(-93) does not move 1/c in float64
        x[:, k - c :] = 3.25
        prediction = check_softmax(x, 1 / c, strict)
        assert prediction.tolist() == [-1 if strict else k - c] * 19
        for beside in (0.0, 2.0):
            check_softmax(x, float(np.nextafter(1 / c, beside)), strict)
    zero = torch.zeros(9, 5, dtype=dtype)
    assert check_sigmoid(zero, 0.5, strict).all() != strict
    certain = torch.full((9, 5), 60.0, dtype=dtype)  # 1 in float64
    assert check_sigmoid(certain, 1.0, strict).all() != strict
    assert check_sigmoid(certain, float(np.nextafter(1.0, 0.0)), strict).all()
    zero_probability = torch.full((9, 5), -800.0, dtype=dtype)  # 0 in float64
    assert check_sigmoid(zero_probability, 0.0, strict).all() != strict
    small = torch.full((9, 5), -200.0, dtype=dtype)  # 1e-87, 0 in float32
    assert check_sigmoid(small, 0.0, strict).all()
    assert not check_sigmoid(small, 1e-80, strict).any()
    assert check_sigmoid(small, 1e-90, strict).all()


@fused_only
def test_the_larger_of_two_neighbours_is_chosen() -> None:
    for dtype in TYPES:
        for k in (2, 9, 19):
            low = torch.tensor(5.0, dtype=dtype)
            high = torch.nextafter(low, torch.tensor(9.0, dtype=dtype))
            for position in range(k):
                x = low.repeat(5, k)
                x[:, position] = high
                assert check_softmax(x, 0.5 / k).tolist() == [position] * 5


@fused_only
def test_a_passing_class_is_found_in_every_position() -> None:
    """Only the least probable class may pass, in every position of a vector and behind it."""
    for dtype in TYPES:
        for k in (2, 9, 17, 33):
            for position in range(k):
                thresholds = np.full(k, 2.0)
                thresholds[position] = 1e-9
                x = torch.full((3, k), 4.0, dtype=dtype)
                x[:, position] = -1.0
                assert check_softmax(x, thresholds).tolist() == [position] * 3


@each_backend
def test_threads_change_nothing() -> None:
    inputs = [draw(n, k, dtype)[0] for n, k, dtype in ((6_001, 7, torch.float32), (301, 1000, torch.float64))]

    def fields() -> list[torch.Tensor]:
        results = [kernels.softmax_threshold(x, 0.4) for x in inputs]
        results += [kernels.softmax_threshold_sets(x, 0.01) for x in inputs]
        results += [kernels.sigmoid_threshold(x, 0.4) for x in inputs]
        return [field for result in results for field in result]

    assert_threads_change_nothing(fields)
