"""class_table, resample_class_gaps, resample_class_errors and gap_sizes against their definitions and plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_backends import each_backend, needs_fused
from kernel_judging import BINS, CLASSES, DTYPES, factors_of, layouts, logits, probabilities, rows, sorted_entries
from scipy.special import softmax

from calibench import kernels
from calibench.kernels import reference

NONE = torch.empty(0, dtype=torch.float64)
ALL = torch.empty(0, dtype=torch.int32)
each_type = pytest.mark.parametrize("dtype", DTYPES, ids=str)
each_kind = pytest.mark.parametrize("from_probs", [False, True], ids=["logits", "probabilities"])


def of(scores: torch.Tensor, from_probs: bool) -> np.ndarray:
    """The probabilities, in float64."""
    return scores.double().numpy() if from_probs else softmax(scores.double().numpy(), axis=1)


def assert_tables_agree(actual: kernels.ClassTable, expected: tuple[torch.Tensor, ...]) -> None:
    """The same entries; probabilities to 1e-14 and sums to 1e-12, relative, of numbers above 1e-300."""
    moments, right, row, cell, p = expected
    assert torch.equal(actual.row, row)
    assert torch.equal(actual.cell, cell)
    torch.testing.assert_close(actual.p, p, rtol=1e-14, atol=0)
    torch.testing.assert_close(actual.moments, moments, rtol=1e-12, atol=1e-300)
    torch.testing.assert_close(actual.expected_right, right, rtol=1e-12, atol=0)


@needs_fused
@pytest.mark.slow
@each_type
@each_kind
def test_tables_equal_the_reference(dtype: torch.dtype, from_probs: bool) -> None:
    for k in CLASSES:
        for bins in BINS:
            scores = rows(1 + 200 // k, k, dtype, from_probs)
            for factors in (NONE, factors_of(k, bins)):
                expected = reference.class_table(scores, from_probs, bins, factors, ALL, True)
                given_factors = factors if len(factors) else None
                table = kernels.class_table(scores, bins, from_probs=from_probs, factors=given_factors)
                assert_tables_agree(table, expected)


@each_backend
@each_kind
@pytest.mark.parametrize("bins", BINS)
def test_a_table_is_that_of_plain_numpy(from_probs: bool, bins: int) -> None:
    scores = rows(257, 7, torch.float32, from_probs)
    p = of(scores, from_probs)
    index = np.digitize(p, np.arange(1, bins) / bins, right=True)
    table = kernels.class_table(scores, bins, from_probs=from_probs)
    for k in range(7):
        for m in range(bins):
            inside = p[index[:, k] == m, k]
            cell = table.moments[:, k * bins + m]
            np.testing.assert_allclose(cell, [inside.sum(), (inside**2).sum()], rtol=1e-12, atol=1e-300)
            assert int((table.cell == k * bins + m).sum()) == (len(inside) if m else 0)
    item, k = np.nonzero(index)
    np.testing.assert_array_equal(table.row, item)
    np.testing.assert_allclose(table.p, p[item, k], rtol=1e-14)
    np.testing.assert_allclose(table.expected_right, p[np.arange(257), scores.double().argmax(1)].sum(), rtol=1e-12)


@each_backend
@each_type
@each_kind
def test_strides_and_types_change_no_bit(dtype: torch.dtype, from_probs: bool) -> None:
    for n, k in ((1, 1), (2, 3), (77, 10), (5, 130)):
        scores, counts = rows(n, k, dtype, from_probs), kernels.resample_counts(n, 0, 16, 0)
        table = kernels.class_table(scores, 15, from_probs=from_probs)
        labels = torch.arange(n) % k
        sums = kernels.resample_class_gaps(counts, scores, labels, from_probs=from_probs)
        for name, same in {**layouts(scores), "float64": scores.double()}.items():
            for a, b in zip(kernels.class_table(same, 15, from_probs=from_probs), table, strict=True):
                assert torch.equal(a, b), name
            assert torch.equal(kernels.resample_class_gaps(counts, same, labels, from_probs=from_probs), sums), name
        for same in (labels.int(), labels.to(torch.uint8), labels.repeat_interleave(2)[::2]):
            assert torch.equal(kernels.resample_class_gaps(counts, scores, same, from_probs=from_probs), sums)


@each_backend
@each_kind
def test_rows_are_chosen(from_probs: bool) -> None:
    scores, chosen = rows(50, 10, torch.float32, from_probs), torch.tensor([7, 49, 0, 7, 3, 3, 12]).int()
    for factors in (None, factors_of(10, 15)):
        table = kernels.class_table(scores, 15, from_probs=from_probs, factors=factors, rows=chosen)
        alone = kernels.class_table(scores[chosen.long()], 15, from_probs=from_probs, factors=factors)
        for name in ("moments", "expected_right", "cell", "p"):
            assert torch.equal(getattr(table, name), getattr(alone, name)), name
        assert torch.equal(table.row, chosen[alone.row.long()])
        unlisted = kernels.class_table(scores, 15, from_probs=from_probs, factors=factors, rows=chosen, listed=False)
        assert torch.equal(unlisted.moments, table.moments)
        assert len(unlisted.row) == len(unlisted.cell) == len(unlisted.p) == 0


@each_backend
@pytest.mark.parametrize("chosen", [None, torch.empty(0, dtype=torch.int32)], ids=["no rows", "none chosen"])
def test_a_table_of_no_rows_is_zero(chosen: torch.Tensor | None) -> None:
    table = kernels.class_table(logits(0 if chosen is None else 9, 3), 15, rows=chosen)
    assert table.moments.shape == (2, 45)
    assert not table.moments.any()
    assert table.expected_right.tolist() == [0.0]
    assert len(table.row) == 0
    assert not kernels.resample_class_gaps(
        kernels.resample_counts(9, 0, 3, 0), logits(0, 3), torch.zeros(0).long()
    ).any()


@each_backend
def test_factors_scale_rows_to_one() -> None:
    p, factors = probabilities(64, 5), factors_of(5, 4)
    index = np.digitize(p, np.arange(1, 4) / 4, right=True)
    changed = p.numpy() * factors.numpy().reshape(5, 4)[np.arange(5), index]
    changed /= changed.sum(axis=1, keepdims=True)
    table = kernels.class_table(p, 4, from_probs=True, factors=factors)
    np.testing.assert_allclose(table.moments[0].reshape(5, 4).sum(1), changed.sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(table.expected_right, changed[np.arange(64), p.argmax(1)].sum(), rtol=1e-12)


@each_backend
def test_entries_of_rows_that_do_not_sum_to_one_are_complete() -> None:
    """Probabilities of float16 may sum to more than 1; the operator then has more entries than it made room for."""
    p = torch.ones(130, 9, dtype=torch.float64)
    p[5] = 0.6
    table = kernels.class_table(p, 2, from_probs=True)
    assert torch.equal(table.row, torch.arange(130).repeat_interleave(9).int())
    assert torch.equal(table.p, p.ravel())
    assert table.moments[0].reshape(9, 2).tolist() == [[0.0, pytest.approx(129.6)]] * 9


@each_backend
def test_many_bins_take_no_memory_for_entries() -> None:
    table = kernels.class_table(logits(200, 2), 1 << 20)
    assert len(table.row) <= 400


@needs_fused
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), -1.2e308])
@pytest.mark.parametrize("k", [1, 3, 8, 65])
def test_bad_rows_write_into_no_other_cell(bad: float, k: int) -> None:
    """A row without any number above -1e300 has a prediction all the same, and the other rows have theirs."""
    scores = logits(70, k)
    scores[[0, 33, 69]] = bad
    good = np.setdiff1d(np.arange(70), [0, 33, 69])
    table, alone = kernels.class_table(scores, 15), kernels.class_table(scores[good], 15)
    of_good = torch.from_numpy(np.isin(table.row.numpy(), good))
    assert torch.equal(table.cell[of_good], alone.cell)
    assert torch.equal(table.p[of_good], alone.p)
    sums = kernels.resample_class_gaps(kernels.resample_counts(70, 0, 5, 0), scores, torch.zeros(70).long())
    assert sums.shape == (k, 16)
    if np.isfinite(bad):
        assert_tables_agree(table, reference.class_table(scores, False, 15, NONE, ALL, True))


@needs_fused
@pytest.mark.slow
@each_type
@each_kind
def test_class_gaps_equal_the_reference(dtype: torch.dtype, from_probs: bool) -> None:
    for k in CLASSES:
        for n in (1, 2, 129):
            scores, counts = rows(n, k, dtype, from_probs), kernels.resample_counts(300, 0, 40, n)
            places = torch.from_numpy(np.random.default_rng(n).integers(300, size=n).astype(np.int32))
            labels = torch.from_numpy(np.random.default_rng(k).integers(k, size=n))
            sums = kernels.resample_class_gaps(counts, scores, labels, places, from_probs=from_probs)
            expected = reference.resample_class_gaps(counts, places, scores, labels, from_probs)
            if from_probs:
                assert torch.equal(sums, expected)
            else:  # a probability halfway between two multiples of 2^-29 may be rounded up or down
                torch.testing.assert_close(sums, expected, rtol=0, atol=2**-27)
            weights = counts[places.long()].double().numpy()
            gaps = of(scores, from_probs) - np.eye(k)[labels]
            np.testing.assert_allclose(sums, gaps.T @ weights, rtol=0, atol=weights.sum() * 2**-30)


@each_backend
def test_class_gaps_hold_the_largest_counts() -> None:
    counts = torch.full((1000, 32), 255, dtype=torch.uint8)
    p = torch.full((1000, 3), 1.001, dtype=torch.float64)
    labels = torch.full((1000,), 2)
    expected = 255 * 1000 * np.floor(1.001 * 2**29 + 0.5) / 2**29
    gaps = kernels.resample_class_gaps(counts, p, labels, from_probs=True)
    assert (gaps[:2] == expected).all()
    assert (gaps[2] == expected - 255 * 1000).all()
    p[:, 2] = 0
    assert (kernels.resample_class_gaps(counts, p, labels, from_probs=True)[2] == -255 * 1000).all()


@each_backend
@each_kind
@pytest.mark.parametrize("bins", [1, 2, 15])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_class_errors_are_those_of_plain_numpy(from_probs: bool, k: int, bins: int) -> None:
    n, generator = 150, np.random.default_rng(k)
    scores, labels = rows(n, k, torch.float32, from_probs), torch.from_numpy(generator.integers(k, size=n))
    labels = labels.where(labels != 1, 0)  # a class without labels
    counts = kernels.resample_counts(n, 0, 20, 3)
    entries = sorted_entries(kernels.class_table(scores, bins, from_probs=from_probs), labels, bins, k)
    totals = kernels.resample_class_gaps(counts, scores, labels, from_probs=from_probs)
    errors = kernels.resample_class_errors(counts, totals=totals, **entries)
    p, y, weights = of(scores, from_probs), np.eye(k)[labels], counts.double().numpy()
    index = np.digitize(p, np.arange(1, bins) / bins, right=True)
    expected = np.zeros(32)
    for m in range(bins):
        expected += np.abs(((p - y) * (index == m)).T @ weights).sum(axis=0)
    np.testing.assert_allclose(errors, expected, rtol=1e-9, atol=1e-5)  # gaps are rounded
    of_reference = reference.resample_class_errors(counts, totals=totals, **entries)
    torch.testing.assert_close(errors, of_reference, rtol=1e-12, atol=1e-11)


@needs_fused
@pytest.mark.slow
@given(
    cells=st.integers(0, 300),
    draws=st.sampled_from([0, 8, 16, 64, 1024]),
    most=st.sampled_from([0, 5, 2**31 - 1]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_gap_sizes_equal_plain_numpy(cells: int, draws: int, most: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(most, size=(cells, draws), endpoint=True).astype(np.int32)
    offset, factor = generator.normal(size=(2, cells)) * (1 + most)
    expected = np.abs(offset[:, None] - factor[:, None] * labels).sum(axis=0)
    inputs = [torch.from_numpy(values) for values in (labels, offset, factor)]
    np.testing.assert_allclose(kernels.gap_sizes(*inputs), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(reference.gap_sizes(*inputs), kernels.gap_sizes(*inputs), rtol=1e-12, atol=1e-12)


@needs_fused
@pytest.mark.slow
@given(
    n=st.integers(0, 200),
    k=st.integers(1, 70),
    bins=st.integers(1, 40),
    dtype=st.sampled_from(DTYPES),
    from_probs=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_a_table_holds_all_probability(
    n: int, k: int, bins: int, dtype: torch.dtype, from_probs: bool, seed: int
) -> None:
    scores = rows(n, k, dtype, from_probs, seed)
    table, p = kernels.class_table(scores, bins, from_probs=from_probs), of(scores, from_probs)
    total, squares = table.moments.reshape(2, k, bins).sum(dim=2)
    np.testing.assert_allclose(total, p.sum(axis=0), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(squares, (p**2).sum(axis=0), rtol=1e-12, atol=1e-300)
    assert (table.p > 1 / bins).all()
    assert (table.cell % bins > 0).all()
    assert_tables_agree(table, reference.class_table(scores, from_probs, bins, NONE, ALL, True))
