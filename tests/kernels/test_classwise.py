"""classwise_stats on each backend: bin sums of every class, of equal width or between edges, above a threshold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kernel_backends import assert_threads_change_nothing, each_backend, fused_only
from kernel_cases import CLASSES, LENGTHS, draw, hard_rows, layouts, rows_for, rows_near, rows_stepping_over
from kernel_definitions import BINS, TYPES, Floats, assert_close, assert_exact, classwise, edges_of, softmax

from calibench import kernels

EDGES = tuple(float(edge) for edge in edges_of(BINS))


def check(
    x: torch.Tensor,
    y: torch.Tensor,
    edges: Floats | None = None,
    bins: int = BINS,
    from_probs: bool = False,
    threshold: float | None = None,
) -> kernels.ClasswiseStats:
    """Compares with the definition, with `edges` or with equal `bins`."""
    bins_or_edges = bins if edges is None else torch.from_numpy(edges)
    sums = kernels.classwise_stats(x, y, bins_or_edges, from_probs=from_probs, threshold=threshold)
    expected = classwise(x, y, edges_of(bins) if edges is None else edges, from_probs, threshold)
    assert_exact(sums.count, expected["count"], "count")
    assert_exact(sums.label_sum, expected["label_sum"], "label_sum")
    assert_close(sums.prob_sum, expected["prob_sum"], x.dtype, "prob_sum")
    for field in sums:
        assert field.dtype == torch.float64
        assert field.shape == expected["count"].shape
    return sums


def equal_mass_edges(x: torch.Tensor, bins: int, from_probs: bool = False) -> Floats:
    """Edges `[K, bins - 1]` of equal-mass bins, half way between order statistics of each class."""
    p = np.sort((x.double().numpy() if from_probs else softmax(x).p.astype(np.float64)), axis=0)
    ranks = np.linspace(0, len(p) - 1, bins + 1).astype(int)[1:-1]
    return np.sort((p[ranks] + p[ranks + 1]) / 2, axis=0).T.copy()


@pytest.mark.slow
@each_backend
@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_equals_the_definition(dtype: torch.dtype, k: int) -> None:
    x, y = draw(max(3, rows_for(k) // 2), k, dtype)
    sums = check(x, y)
    assert sums.count.sum(dim=1).eq(len(x)).all()
    if k > 1000:
        return  # the definition takes seconds
    assert sums.label_sum.sum() == len(x)
    p = x.double().softmax(dim=1).to(dtype)
    check(p, y, bins=10, from_probs=True)
    check(x, y, bins=10, threshold=0.01)
    check(p, y, from_probs=True, threshold=0.01)


@each_backend
@pytest.mark.parametrize("n", LENGTHS)
def test_any_number_of_rows(n: int) -> None:
    for k in (2, 10, 33):
        sums = check(*draw(n, k))
        assert sums.count.shape == (k, BINS)
        check(*draw(n, k, torch.float32))


@fused_only
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_any_number_of_classes(dtype: torch.dtype) -> None:
    for k in [*range(1, 20), 31, 32, 33, 63, 65, 129, 257]:
        check(*draw(11, k, dtype))


@fused_only
def test_the_longest_rows_in_odd_strides() -> None:
    for dtype in TYPES:
        x, y = draw(2, 40_000, dtype)
        check(x.t().contiguous().t(), y)


@each_backend
@pytest.mark.parametrize("bins", [1, 2, 64, 500])
def test_any_number_of_bins(bins: int) -> None:
    check(*draw(200, 4), bins=bins)
    check(*draw(200, 4, torch.float32), bins=bins)


@fused_only
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize(("n", "k"), [(61, 12), (9, 3), (33, 1)])
def test_any_strides(dtype: torch.dtype, n: int, k: int) -> None:
    x, y = draw(n, k, dtype)
    doubled = torch.full((2 * n,), 99)
    doubled[::2] = y
    for _, view in layouts(x):
        check(view, doubled[::2])
    check(x[:1].expand(n, k), y.int())
    check(x[:, :1].expand(n, k), y.to(torch.uint8))


@each_backend
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("k", [2, 10, 17, 100])
def test_edges(dtype: torch.dtype, k: int) -> None:
    """The same edges for all classes, or edges of each class; equal-mass edges of rare classes are at 1e-6 and below."""
    x, y = draw(150, k, dtype)
    check(x, y, np.array([1e-9, 1e-4, 0.013, 0.2, 0.77]))
    check(x, y, np.array([0.5]))
    check(x, y, np.zeros(0))
    per_class = equal_mass_edges(x, 15)
    assert per_class.shape == (k, 14)
    sums = check(x, y, per_class)
    strided = torch.from_numpy(per_class).repeat_interleave(2, dim=1)[:, ::2]
    transposed = torch.from_numpy(per_class.T.copy()).T
    for edges in (strided, transposed):
        for a, b in zip(kernels.classwise_stats(x, y, edges), sums, strict=True):
            assert torch.equal(a, b)
    check(x, y, np.tile(per_class[0], (k, 1)))
    if dtype == torch.float64:
        assert (sums.count - len(x) / 15).abs().max() <= 2  # equal mass
    check(x, y, per_class, threshold=0.01)
    p = x.double().softmax(dim=1).to(dtype)
    check(p, y, equal_mass_edges(p, 9, True), from_probs=True)


@fused_only
def test_equal_edges_leave_a_bin_empty() -> None:
    x, y = draw(200, 5)
    edges = np.array([0.1, 0.1, 0.1, 0.6])
    sums = check(x, y, edges)
    assert sums.count[:, 1:3].eq(0).all()
    assert sums.count.sum(dim=1).tolist() == [200.0] * 5


@each_backend
def test_an_edge_belongs_to_the_lower_bin() -> None:
    for dtype in TYPES:
        p = torch.tensor([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]], dtype=dtype).repeat(11, 1)
        y = torch.zeros(33, dtype=torch.int64)
        sums = check(p, y, np.array([0.25, 0.5]), from_probs=True)
        assert sums.count.tolist() == [[11.0, 11.0, 11.0], [11.0, 11.0, 11.0]]
        even = torch.zeros(19, 4, dtype=dtype)  # p = 0.25 exactly
        assert check(even, y[:19], np.array([0.25])).count.tolist() == [[19.0, 0.0]] * 4
        assert check(even, y[:19], threshold=0.25).count.sum() == 0  # p must be above the threshold
        assert check(even, y[:19], threshold=np.nextafter(0.25, 0)).count.sum() == 76


@each_backend
@pytest.mark.parametrize(("dtype", "k"), [(dtype, k) for dtype in TYPES for k in (3, 10, 100)], ids=str)
def test_counts_beside_an_edge_and_a_threshold(dtype: torch.dtype, k: int) -> None:
    x, y = rows_near(dtype, (1 / 15, 2 / 15, 4 / 15, 8 / 15, 14 / 15), k, top_only=False)
    check(x, y)
    x, y = rows_near(dtype, (0.01, 0.1, 0.37), k, top_only=False)
    check(x, y, threshold=0.01)
    check(x, y, np.array([0.01, 0.1, 0.37]))
    for i in range(0, len(x), 11):
        check(x[i : i + 1], y[i : i + 1], threshold=0.1)


@each_backend
def test_counts_while_float32_steps_over_an_edge() -> None:
    x, y = rows_stepping_over(edges_of(BINS), 17, 12)
    check(x, y)


@each_backend
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_tiny_probabilities_keep_their_digits(backend: str, dtype: torch.dtype) -> None:
    """Even if all probabilities of a class are 1e-14, or 1e-300, their sum is right to 6 or 12 digits."""
    for name, (row, label) in hard_rows(dtype).items():
        k = row.shape[1]
        if k > 1000:
            continue
        for copies in (1, 35)[: 1 + (backend == "fused")]:
            if copies * k < 2000:
                x, y = row.repeat(copies, 1), torch.full((copies,), label)
                sums = kernels.classwise_stats(x, y)
                expected = classwise(x, y)
                assert_exact(sums.count, expected["count"], name)
                assert_exact(sums.label_sum, expected["label_sum"], name)
                assert_close(sums.prob_sum, expected["prob_sum"], dtype, name)


@each_backend
def test_probabilities_are_counted_once_and_sum_to_one() -> None:
    for dtype in TYPES:
        for k in (2, 10, 1000):
            x, y = draw(50, k, dtype)
            sums = kernels.classwise_stats(x, y)
            assert float(sums.prob_sum.sum()) == pytest.approx(50, rel=1e-13 if dtype == torch.float64 else 1e-6)
            assert sums.count.sum() == 50 * k
            assert sums.label_sum.sum(dim=1).tolist() == torch.bincount(y, minlength=k).tolist()


@each_backend
def test_a_threshold_of_zero_excludes_zero_and_no_threshold_counts_it() -> None:
    p = torch.tensor([[0.0, 1.0], [0.5, 0.5]])
    y = torch.tensor([1, 0])
    assert kernels.classwise_stats(p, y, from_probs=True).count.sum() == 4
    assert check(p, y, from_probs=True, threshold=0.0).count.sum() == 3
    x = torch.tensor([[0.0, -200.0]])  # 1e-87 is above zero
    assert check(x, y[:1], threshold=0.0).count.sum() == 2
    assert check(x, y[:1], threshold=1e-80).count.sum() == 1
    assert check(x, y[:1], threshold=1e-90).count.sum() == 2


@each_backend
def test_sums_stay_exact_over_many_rows() -> None:
    """A plain sum repeats the same rounding error 200 000 times, which is 1e-11 of the sum."""
    x = torch.zeros(200_000, 3, dtype=torch.float64)
    x[:, 0], x[:, 1] = 0.7, 0.1
    y = torch.zeros(len(x), dtype=torch.int64)
    sums = kernels.classwise_stats(x, y)
    for total, p in zip(sums.prob_sum.sum(dim=1), softmax(x[:1]).p[0].astype(np.float64), strict=True):
        assert float(total) == pytest.approx(200_000 * p, rel=1e-12)


@each_backend
def test_threads_change_nothing() -> None:
    inputs = [draw(n, k, dtype) for n, k, dtype in ((6_001, 7, torch.float32), (2_001, 100, torch.float64))]
    assert_threads_change_nothing(lambda: [field for x, y in inputs for field in kernels.classwise_stats(x, y)])
