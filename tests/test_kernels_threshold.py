"""softmax_threshold, softmax_threshold_sets and sigmoid_threshold by each backend: decisions and sets of float64, exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kernel_cases import CLASSES, LENGTHS, draw, layouts, rows_for
from kernel_definitions import TYPES, Floats
from kernel_threshold_checks import check_sigmoid, check_softmax

from calibench import kernels

each_backend = pytest.mark.usefixtures("backend")
fused_only = pytest.mark.usefixtures("fused")  # places in a vector, which the reference does not have

STRICT = pytest.mark.parametrize("strict", [False, True], ids=["reaches", "exceeds"])


def own(k: int, seed: int = 0) -> Floats:
    """A threshold a class, some that nothing reaches and some that all do."""
    return np.random.default_rng(seed + k).uniform(0, min(1, 3 / k), k)


@each_backend
@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_equals_the_definition(dtype: torch.dtype, k: int) -> None:
    x, _ = draw(rows_for(k), k, dtype)
    for thresholds, strict in ((0.4, False), (0.0, True), (1.0, False), (own(k), True), (own(k), False)):
        check_softmax(x, thresholds, strict)
    for thresholds, strict in ((0.73, True), (own(k), False)):
        check_sigmoid(x, thresholds, strict)


@fused_only
@pytest.mark.parametrize("n", LENGTHS)
def test_any_number_of_rows(n: int) -> None:
    for k in (1, 2, 3, 10, 33):
        for dtype in TYPES[:2]:
            x, _ = draw(n, k, dtype)
            check_softmax(x, own(k))
            check_sigmoid(x, own(k))


@fused_only
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_any_number_of_classes(dtype: torch.dtype) -> None:
    for k in [*range(1, 36), 63, 64, 65, 127, 129, 257, 1025]:
        x, _ = draw(7, k, dtype)
        check_softmax(x, own(k))
        check_sigmoid(x, own(k))


@each_backend
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize(("n", "k"), [(61, 12), (9, 3), (5, 200)])
def test_any_strides(dtype: torch.dtype, n: int, k: int) -> None:
    x, _ = draw(n, k, dtype)
    wide = np.full(2 * k, np.nan)
    wide[::2] = own(k)
    for view in [view for _, view in layouts(x)] + [x[:1].expand(n, k), x[:, :1].expand(n, k)]:
        prediction = check_softmax(view, own(k))
        check_sigmoid(view, own(k))
        strided = kernels.softmax_threshold(view, torch.from_numpy(wide)[::2])
        assert torch.equal(strided.prediction, prediction)


@fused_only
def test_the_longest_rows_in_odd_strides() -> None:
    for dtype in TYPES:
        x = draw(2, 40_000, dtype)[0].t().contiguous().t()
        check_softmax(x, own(40_000))
        check_sigmoid(x, own(40_000))


@each_backend
def test_thresholds_in_any_form() -> None:
    """A float, a list, a tuple, a tensor of one, of K, of float32: its stored numbers are meant."""
    x, _ = draw(101, 4)
    base = kernels.softmax_threshold(x, 0.4)
    for same in (
        [0.4] * 4,
        (0.4,) * 4,
        torch.tensor([0.4], dtype=torch.float64),
        torch.tensor(0.4, dtype=torch.float64),
    ):
        got = kernels.softmax_threshold(x, same)
        assert torch.equal(got.prediction, base.prediction)
        assert torch.equal(got.confidence, base.confidence)
        assert torch.equal(kernels.softmax_threshold_sets(x, same).sets, kernels.softmax_threshold_sets(x, 0.4).sets)
        assert torch.equal(kernels.sigmoid_threshold(x, same).sets, kernels.sigmoid_threshold(x, 0.4).sets)


@each_backend
def test_four_classes_by_hand() -> None:
    x = torch.tensor([[0.6, 0.3, 0.1, 0.0], [0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4]], dtype=torch.float64)
    x = (x + 1e-12).log()
    got = kernels.softmax_threshold(x, [0.9, 0.2, 0.05, 0.45])
    assert got.prediction.tolist() == [1, 1, 2]  # the best of those that pass, not the best of all
    np.testing.assert_allclose(got.confidence, [0.3, 0.25, 0.3], rtol=1e-11)
    nobody = kernels.softmax_threshold(x, 0.95)
    assert nobody.prediction.tolist() == [-1, -1, -1]
    np.testing.assert_allclose(nobody.confidence, [0.6, 0.25, 0.4], rtol=1e-11)
    found = kernels.softmax_threshold_sets(x, [0.9, 0.2, 0.05, 0.45])
    assert found.sets.int().tolist() == [[0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0]]
    assert found.sizes.tolist() == [2, 2, 2]


@each_backend
@STRICT
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_exactly_on_the_threshold(dtype: torch.dtype, strict: bool) -> None:
    """c tied classes have p = 1/c: it reaches 1/c and does not exceed it, whatever a float32 sum made of it."""
    for c, k in ((1, 1), (2, 2), (3, 3), (2, 7), (4, 16), (7, 30), (10, 10), (49, 100), (1000, 1000)):
        x = torch.full((19, k), -90.0, dtype=dtype)  # exp(-93) does not move 1/c in float64
        x[:, k - c :] = 3.25
        prediction = check_softmax(x, 1 / c, strict)
        assert prediction.tolist() == [-1 if strict else k - c] * 19
        for beside in (0.0, 2.0):
            check_softmax(x, float(np.nextafter(1 / c, beside)), strict)
    zero = torch.zeros(9, 5, dtype=dtype)
    assert check_sigmoid(zero, 0.5, strict).all() != strict
    far = torch.full((9, 5), 60.0, dtype=dtype)  # 1 in float64
    assert check_sigmoid(far, 1.0, strict).all() != strict
    assert check_sigmoid(far, float(np.nextafter(1.0, 0.0)), strict).all()
    gone = torch.full((9, 5), -800.0, dtype=dtype)  # 0 in float64
    assert check_sigmoid(gone, 0.0, strict).all() != strict
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
            for at in range(k):
                x = low.repeat(5, k)
                x[:, at] = high
                assert check_softmax(x, 0.5 / k).tolist() == [at] * 5


@fused_only
def test_what_passes_is_found_wherever_it_stands() -> None:
    """One class may pass, the least probable of all, in every place of a vector and behind it."""
    for dtype in TYPES:
        for k in (2, 9, 17, 33):
            for at in range(k):
                thresholds = np.full(k, 2.0)
                thresholds[at] = 1e-9
                x = torch.full((3, k), 4.0, dtype=dtype)
                x[:, at] = -1.0
                assert check_softmax(x, thresholds).tolist() == [at] * 3


@each_backend
def test_threads_change_nothing() -> None:
    inputs = [draw(n, k, dtype)[0] for n, k, dtype in ((6_001, 7, torch.float32), (301, 1000, torch.float64))]
    threads = torch.get_num_threads()
    try:
        found = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results = [kernels.softmax_threshold(x, 0.4) for x in inputs]
            results += [kernels.softmax_threshold_sets(x, 0.01) for x in inputs]
            results += [kernels.sigmoid_threshold(x, 0.4) for x in inputs]
            found.append([field.numpy().tobytes() for result in results for field in result])
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1] == found[2]
