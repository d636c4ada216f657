"""calibration_stats on the hardest inputs: one row alone, tails of 1e-300, and confidences beside the edge of a bin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from kernel_backends import each_backend, fused_only
from kernel_cases import draw, hard_rows, rows_near, rows_stepping_over
from kernel_definitions import BINS, TYPES, assert_close, assert_exact, calibration, calibration_samples, edges_of

from calibench import kernels

EDGES = tuple(float(edge) for edge in edges_of(BINS))


def assert_samples_close(
    samples: kernels.CalibrationSamples, expected: dict[str, Any], dtype: torch.dtype, case: str = ""
) -> None:
    for field in ("confidence", "tail", "nll", "brier"):
        assert_close(getattr(samples, field), expected[field], dtype, f"{case}: {field}")


@pytest.mark.slow
@each_backend
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("copies", [1, 67])
def test_a_hard_row_alone_and_repeated(backend: str, dtype: torch.dtype, copies: int) -> None:
    """Alone, because a large neighbour would hide its error; repeated, because one row may not reach the vector's loop."""
    for name, (row, label) in hard_rows(dtype).items():
        if copies > 1 and row.shape[1] > (1000 if backend == "fused" else 2):
            continue
        x, y = row.repeat(copies, 1), torch.full((copies,), label)
        expected = calibration_samples(row, y[:1])
        sums, samples = kernels.calibration_stats(x, y, return_samples=True)
        assert_exact(samples.prediction, expected["prediction"][0], name)
        repeated = {field: np.repeat(values, copies) for field, values in expected.items()}
        assert_samples_close(samples, repeated, dtype, name)
        assert_close(sums.nll_sum, copies * expected["nll"][0], dtype, name)
        assert_close(sums.brier_sum, copies * expected["brier"][0], dtype, name)
        assert sums.count.max() == copies, name


@fused_only
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_hard_rows_among_easy_ones(dtype: torch.dtype) -> None:
    """Every short hard row in every position of a vector of rows, padded to 12 classes with classes of probability 0."""
    x, y = draw(64, 12, dtype)
    short = {name: case for name, case in hard_rows(dtype).items() if case[0].shape[1] <= 12}
    lowest = -torch.finfo(dtype).max
    for position, (row, label) in enumerate(short.values()):
        x[position] = lowest
        x[position, : row.shape[1]] = row[0]
        y[position] = label
    for shift in range(17):
        moved, labels = x.roll(shift, dims=0), y.roll(shift)
        expected = calibration_samples(moved, labels)
        _, samples = kernels.calibration_stats(moved, labels, return_samples=True)
        assert_exact(samples.prediction, expected["prediction"])
        assert_samples_close(samples, expected, dtype)


@pytest.mark.slow
@each_backend
@pytest.mark.parametrize(
    ("dtype", "k"),  # without two logits of 16 bits, which seldom come within 1e-6 of an edge
    [(dtype, k) for dtype in TYPES for k in (2, 3, 10, 17, 1000) if k > 2 or dtype.itemsize > 2],
    ids=str,
)
def test_counts_beside_an_edge(dtype: torch.dtype, k: int) -> None:
    x, y = rows_near(dtype, tuple(edge for edge in EDGES if edge > 1 / k + 0.05), k)
    expected = calibration(x, y)
    sums = kernels.calibration_stats(x, y)
    assert_exact(sums.count, expected["count"])
    assert_exact(sums.correct_sum, expected["correct_sum"])
    assert_close(sums.confidence_sum, expected["confidence_sum"], dtype)
    for i in range(0, len(x), 29):  # each row alone too, because two errors in one bin may cancel
        assert_exact(
            kernels.calibration_stats(x[i : i + 1], y[i : i + 1]).count, calibration(x[i : i + 1], y[:1] * 0)["count"]
        )


@each_backend
@pytest.mark.parametrize(("k", "bins"), [(2, 15), (3, 10), (17, 15), (100, 15), (1000, 49), (32_000, 2)])
def test_counts_while_float32_steps_over_an_edge(k: int, bins: int) -> None:
    """All other classes are equal: their rounding errors do not average out, so a float32 confidence is off in one direction."""
    x, y = rows_stepping_over(edges_of(bins), k, 3 if k == 32_000 else 8 if k == 1000 else 40)
    expected = calibration(x, y, bins)
    sums, samples = kernels.calibration_stats(x, y, bins, return_samples=True)
    assert_exact(sums.count, expected["count"])
    assert_close(samples.confidence, calibration_samples(x, y)["confidence"], x.dtype)


@each_backend
@pytest.mark.parametrize("k", [2, 4, 5, 33])
def test_equal_classes_at_every_gap(k: int) -> None:
    """A polynomial's error depends on the place in [-1/2, 1/2] log2: 3000 gaps visit it, and equal classes add it up."""
    for dtype, base in ((torch.float32, 0.0), (torch.float32, 3.7), (torch.float32, -917.3), (torch.bfloat16, 0.0)):
        gaps = torch.linspace(0.0, 60.0, 3000 if k < 33 else 600, dtype=torch.float64)
        x = torch.full((len(gaps), k), base, dtype=torch.float64)
        x[:, 1:] -= gaps[:, None]
        x = x.to(dtype)
        y = torch.arange(len(x)) % 2
        expected = calibration_samples(x, y)
        _, samples = kernels.calibration_stats(x, y, return_samples=True)
        assert_samples_close(samples, expected, dtype)


@each_backend
def test_edges_belong_to_the_lower_bin() -> None:
    for bins in (1, 3, 10, 15, 49):
        edges = torch.arange(0, bins + 1, dtype=torch.float64) / bins
        for dtype in TYPES[:2]:
            on = edges.to(dtype)
            above, below = (torch.nextafter(on, torch.tensor(to, dtype=dtype)) for to in (2.0, 0.0))
            top = torch.cat([on, above[:-1], below[1:]])
            p = torch.stack([top, torch.zeros_like(top)], dim=1)
            y = torch.arange(len(p)) % 2
            assert_exact(
                kernels.calibration_stats(p, y, bins, from_probs=True).count, calibration(p, y, bins, True)["count"]
            )


@each_backend
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_ties_land_exactly_on_an_edge(dtype: torch.dtype) -> None:
    """c equal maxima: confidence 1/c is edge 15/c of 15 where c divides 15, and (lo, hi] puts it below."""
    for c, k in ((3, 3), (5, 5), (15, 15), (3, 12), (5, 40), (15, 1000), (1, 1), (7, 7), (10, 10), (1000, 1000)):
        for copies in (1, 33):
            x = torch.full((copies, k), -80.0, dtype=dtype)
            x[:, -c:] = 1.75
            y = torch.full((copies,), k - 1)
            expected = calibration(x, y)
            sums, samples = kernels.calibration_stats(x, y, return_samples=True)
            assert_exact(samples.prediction, k - c)
            assert_close(samples.confidence, np.full(copies, 1 / c), dtype)
            assert_exact(sums.count, expected["count"])
            assert sums.count[(15 // c if 15 % c == 0 else int(15 / c) + 1) - 1] == copies


@fused_only
def test_the_lowest_of_tied_classes_wins_in_every_position() -> None:
    for dtype in TYPES:
        for k in (2, 3, 9, 16, 17, 40, 130):
            pairs = [(i, j) for i in range(k) for j in range(i + 1, k)][:: max(1, k * k // 400)]
            x = torch.zeros(len(pairs), k, dtype=dtype)
            for row, (i, j) in enumerate(pairs):
                x[row, [i, j]] = 2.5
            _, samples = kernels.calibration_stats(x, torch.zeros(len(pairs), dtype=torch.int64), return_samples=True)
            assert samples.prediction.tolist() == [i for i, _ in pairs], (dtype, k)


@fused_only
def test_the_longest_rows() -> None:
    for dtype in TYPES:
        x = torch.full((1, 200_000), 0.25, dtype=dtype)
        x[0, 7] = 11.5
        for label in (7, 199_999):
            y = torch.tensor([label])
            expected = calibration_samples(x, y)
            _, samples = kernels.calibration_stats(x, y, return_samples=True)
            assert_samples_close(samples, expected, dtype)


@each_backend
def test_neighbouring_numbers_are_not_a_tie() -> None:
    """The larger wins by one step of its type, however large the numbers are."""
    for dtype in TYPES:
        for base in (1.0, 1000.0, 60_000.0):
            high = torch.tensor(base, dtype=dtype)
            low = torch.nextafter(high, torch.tensor(0.0, dtype=dtype))
            for k in (2, 17, 100):
                for at in (0, k // 2, k - 1):
                    x = low.repeat(9, k)
                    x[:, at] = high
                    _, samples = kernels.calibration_stats(x, torch.zeros(9, dtype=torch.int64), return_samples=True)
                    assert samples.prediction.tolist() == [at] * 9, (dtype, base, k)
                    assert_close(samples.tail, calibration_samples(x, samples.prediction)["tail"], dtype)


@fused_only
def test_tails_rank_saturated_rows() -> None:
    """AURC ranks by the tail: 2 000 rows whose confidence is 1.0 in float64 keep their order, in every type."""
    for dtype in TYPES:
        gap = torch.arange(40.0, 680.0, 0.5 if dtype == torch.float16 else 4.0, dtype=torch.float64).to(dtype)
        x = torch.stack([gap, torch.zeros_like(gap)], dim=1)
        _, samples = kernels.calibration_stats(x, torch.zeros(len(x), dtype=torch.int64), return_samples=True)
        assert samples.confidence.eq(1.0).all()
        assert samples.tail.diff().lt(0).all(), dtype
        assert_close(samples.tail, np.exp(-gap.double().numpy()), dtype)


@each_backend
def test_infinite_only_where_float64_is() -> None:
    x = torch.tensor([[1.7e308, -1.7e308], [1.0, 0.0]], dtype=torch.float64)
    sums, samples = kernels.calibration_stats(x, torch.tensor([1, 0]), return_samples=True)
    assert sums.nll_sum == float("inf")  # 3.4e308 nats: not NaN
    assert samples.brier[0] == 2.0
    assert sums.n == 2
    wide = torch.tensor([[3.4e38, -3.4e38]])
    assert kernels.calibration_stats(wide, torch.tensor([1])).nll_sum == 2 * float(wide[0, 0])
    full = torch.full((65, 100), 3.4e38)  # their float32 sum is infinite, and none of them is
    assert kernels.calibration_stats(full, torch.zeros(65, dtype=torch.int64)).count.sum() == 65


@fused_only
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("k", [300, 1000])
def test_rows_about_the_bounds_of_unshifted_exponentials(dtype: torch.dtype, k: int) -> None:
    """The kernel takes exp(x_j) as it is if the largest score is in [-3, 40] and none is below -80, else exp(x_j - c).

    A row shifted by a whole number has the same probabilities, and each of these shifts crosses a bound.
    """
    x, y = draw(24, k, torch.float32)
    x = (x.clamp(-8, 8) * 4).round() / 4  # exact in every type after every shift
    x[:12, 5] = x[:12].amax(dim=1) + 9.75  # confident rows: tails and squares of small terms
    x[::3, 7] = -60.0
    expected = calibration_samples(x, y)
    for top in (-90.0, -5.0, -4.0, -3.0, -2.0, 0.0, 19.0, 20.0, 21.0, 39.0, 40.0, 41.0, 60.0):
        moved = (x + (top - x.amax(dim=1, keepdim=True)).round()).to(dtype)
        exact_shift = torch.equal(relative_to_top(moved), relative_to_top(x))
        expected_here = expected if exact_shift else calibration_samples(moved, y)
        _, samples = kernels.calibration_stats(moved, y, return_samples=True)
        assert_samples_close(samples, expected_here, dtype, f"{top}")


def relative_to_top(x: torch.Tensor) -> torch.Tensor:
    return x.double() - x.double().amax(dim=1, keepdim=True)
