"""resample_counts, resample_sums, resample_risks and resample_group_sums against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_backends import each_backend, needs_fused
from kernel_judging import numbers_of, ranges

from calibench import kernels
from calibench.kernels import reference
from calibench.kernels.reference.bootstrap_bins import positions


@each_backend
@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 63, 64, 65, 255, 1000])
def test_counts_are_those_of_the_draws(n: int) -> None:
    counts = kernels.resample_counts(n, 3, 19, 1 << 40)
    assert counts.dtype == torch.uint8
    assert counts.shape == (n, 32)
    assert not counts[:, 19:].any()
    for b in (0, 7, 18):
        draws = positions(n, 0, n, 3 + b, 1 << 40)
        np.testing.assert_array_equal(counts[:, b].numpy(), np.bincount(draws, minlength=n))


@needs_fused
@pytest.mark.slow
def test_counts_of_more_samples_than_a_word_draws() -> None:
    n = (1 << 20) + 1
    assert torch.equal(kernels.resample_counts(n, 0, 2, 5), reference.resample_counts(n, 0, 2, 5))


def test_blocks_of_resamples_are_parts_of_one_stream() -> None:
    whole = kernels.resample_counts(70, 0, 40, 1)
    assert torch.equal(whole[:, 17:33], kernels.resample_counts(70, 17, 16, 1))


@needs_fused
@pytest.mark.slow
@given(
    n=st.integers(1, 300),
    items=st.integers(0, 900),
    columns=st.integers(0, 9),
    count=st.integers(0, 20),
    resamples=st.integers(1, 35),
    seed=st.integers(0, 2**62),
)
@settings(max_examples=80, deadline=None)
def test_sums_and_risks_equal_the_reference(
    n: int, items: int, columns: int, count: int, resamples: int, seed: int
) -> None:
    counts, given = kernels.resample_counts(n, 0, resamples, seed), ranges(n, items, columns, count, seed)
    inputs = counts, given["columns"], given["ends"], given["places"]
    torch.testing.assert_close(kernels.resample_sums(*inputs), reference.resample_sums(*inputs), rtol=1e-12, atol=1e-11)
    risks = counts, given["wrong"], given["ends"], given["places"]
    torch.testing.assert_close(kernels.resample_risks(*risks), reference.resample_risks(*risks), rtol=1e-12, atol=1e-11)


@each_backend
def test_columns_of_every_type_and_samples_in_their_order() -> None:
    counts, ends = kernels.resample_counts(300, 0, 20, 2), torch.tensor([100, 100, 300])
    columns = ranges(300, 300, 7, 3, 0)["columns"]
    expected = kernels.resample_sums(counts, columns, ends, torch.arange(300).int())
    assert torch.equal(kernels.resample_sums(counts, tuple(columns), ends), expected)
    weights, numbers = counts.double(), numbers_of(columns, 300)
    np.testing.assert_allclose(expected[2, 1:], numbers[:, 100:] @ weights[100:], rtol=1e-12, atol=1e-12)
    assert torch.equal(expected[0, 0], weights[:100].sum(dim=0))
    assert not expected[1].any()


def group_ends(counts: torch.Tensor, places: torch.Tensor | None, groups: int) -> torch.Tensor:
    """Where each of `groups` groups of nearly equally many draws ends in each resample, [M, P]."""
    weights = counts if places is None else counts[places.long()]
    draws = weights.double().sum(dim=0)
    return (torch.arange(1, groups + 1, dtype=torch.float64)[:, None] * draws / groups).floor()


def grouped(weights: torch.Tensor, values: torch.Tensor, ends: torch.Tensor) -> np.ndarray:
    """The sums over groups, [M, P], draw by draw."""
    sums = np.zeros(ends.shape)
    for lane in range(ends.shape[1]):
        group, drawn = 0, 0
        for value, times in zip(values.tolist(), weights[:, lane].tolist(), strict=True):
            for _ in range(times):
                while group < len(ends) - 1 and drawn >= ends[group, lane]:
                    group += 1
                sums[group, lane] += value
                drawn += 1
    return sums


@each_backend
@pytest.mark.parametrize("groups", [1, 2, 15])
@pytest.mark.parametrize("n", [1, 2, 15, 301])
def test_groups_are_those_of_single_draws(n: int, groups: int) -> None:
    counts, given = kernels.resample_counts(n, 0, 5, 9), ranges(n, 2 * n + 1, 4, 1, n)
    for places, items in ((None, n), (given["places"], 2 * n + 1)):
        columns = [column[:items].contiguous() for column in given["columns"]]
        ends = group_ends(counts, places, groups)
        weights = counts if places is None else counts[places.long()]
        sums = kernels.resample_group_sums(counts, columns, ends, places)
        values = numbers_of(columns, items).sum(dim=0)
        np.testing.assert_allclose(sums, grouped(weights, values, ends), rtol=1e-12, atol=1e-11)


@needs_fused
@pytest.mark.slow
@given(
    n=st.integers(1, 300),
    items=st.integers(0, 900),
    groups=st.integers(1, 40),
    resamples=st.integers(1, 35),
    seed=st.integers(0, 2**62),
)
@settings(max_examples=80, deadline=None)
def test_group_sums_equal_the_reference(n: int, items: int, groups: int, resamples: int, seed: int) -> None:
    counts, given = kernels.resample_counts(n, 0, resamples, seed), ranges(n, items, 3, 1, seed)
    places, columns = given["places"], given["columns"]
    values = numbers_of(columns, items).sum(dim=0)
    ends = group_ends(counts, places, groups)
    sums = kernels.resample_group_sums(counts, columns, ends, places)
    torch.testing.assert_close(
        sums, reference.resample_group_sums(counts, columns, ends, places), rtol=1e-12, atol=1e-11
    )
    weights = counts[places.long()].double()
    np.testing.assert_allclose(sums.sum(dim=0), (weights * values[:, None]).sum(dim=0), rtol=1e-12, atol=1e-11)


@each_backend
def test_a_group_may_end_within_an_item_and_before_the_last_draw() -> None:
    counts = torch.tensor([[3], [0], [5]], dtype=torch.uint8).expand(3, 16).contiguous()
    values, ends = torch.tensor([1.0, 100.0, 10.0], dtype=torch.float64), torch.tensor([[2.0], [2.0], [4.0], [5.0]])
    sums = kernels.resample_group_sums(counts, [values], ends.double().expand(4, 16).contiguous())
    assert sums[:, 0].tolist() == [2.0, 0.0, 11.0, 40.0]  # the last group has all others


@each_backend
def test_groups_may_lie_beyond_the_draws() -> None:
    counts, values = torch.ones((3, 16), dtype=torch.uint8), torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    sums = kernels.resample_group_sums(counts, [values], torch.full((3, 16), 9.0, dtype=torch.float64))
    assert sums[:, 0].tolist() == [7.0, 0.0, 0.0]
    none = kernels.resample_group_sums(counts, [values[:0]], torch.zeros((2, 16), dtype=torch.float64))
    assert none.tolist() == [[0.0] * 16] * 2


@each_backend
def test_no_samples_no_resamples_no_ranges() -> None:
    no_samples, no_resamples = kernels.resample_counts(0, 0, 5, 0), kernels.resample_counts(7, 0, 0, 0)
    assert no_samples.shape == (0, 16)
    assert no_resamples.shape == (7, 0)
    columns, none = list(torch.ones((2, 7), dtype=torch.float64)), torch.empty(0, dtype=torch.int64)
    empty = [column[:0] for column in columns]
    assert kernels.resample_sums(no_resamples, columns, torch.tensor([3, 7])).shape == (2, 3, 0)
    assert kernels.resample_sums(no_samples, empty, none).shape == (0, 3, 16)
    assert kernels.resample_sums(no_samples, empty, torch.tensor([0])).tolist() == [[[0.0] * 16] * 3]
    wrong = torch.zeros(7, dtype=torch.bool)
    assert kernels.resample_risks(no_resamples, wrong, torch.tensor([7])).shape == (4, 0)
    assert kernels.resample_risks(no_samples, wrong[:0], none).tolist() == [[0.0] * 16] * 4
    assert kernels.resample_group_sums(no_resamples, columns, torch.ones((2, 0), dtype=torch.float64)).shape == (2, 0)


@each_backend
def test_risks_of_ranks_beyond_the_table_of_harmonic_numbers() -> None:
    """The table ends at 4096: then small ties take a series, and ties that are large beside their rank a logarithm."""
    n, generator = 12_000, np.random.default_rng(1)
    counts = kernels.resample_counts(n, 0, 3, 7)
    wrong = torch.from_numpy(generator.random(n) < 0.3)
    for ends in ([*range(1, n + 1)], [1, 3000, 3001, 9000, 9001, n], [n], [*range(40, n, 40), n]):
        last = np.array(ends)
        risks = kernels.resample_risks(counts, wrong, torch.from_numpy(last)).numpy()
        harmonic = np.cumsum(1 / np.arange(1, n + 1, dtype=np.longdouble))
        harmonic = np.concatenate([np.zeros(1, np.longdouble), harmonic])
        for lane in range(3):
            weight = counts[:, lane].numpy().astype(np.int64)
            until = weight.cumsum()[last - 1]
            errors_until = (weight * wrong.numpy()).cumsum()[last - 1]
            size, errors = np.diff(until, prepend=0), np.diff(errors_until, prepend=0)
            before, errors_before = until - size, errors_until - errors
            span = harmonic[until] - harmonic[before]
            rate = errors.astype(np.longdouble) / np.maximum(size, 1)
            selective = (errors + (errors_before - before * rate) * span).sum()
            np.testing.assert_allclose(risks[2, lane], float(selective), rtol=2e-13)
