"""Splits: shares, stratification, duplicates and leaks, against counts that are made here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_data import arrays, held_out_pairs, split

from calibench import Arrays, InputError
from calibench.config.resolve import resolve
from calibench.data.load import load_data
from calibench.data.prepare import SPLITS, Data
from calibench.data.splits import hold_out, overlap, row_hashes


def rows_of(data: Data, name: str) -> set[int]:
    return set(getattr(data, name).ids.tolist())


@settings(max_examples=150, deadline=None)
@given(
    counts=st.lists(st.integers(1, 60), min_size=2, max_size=8),
    rare=st.integers(0, 3),
    share=st.floats(0.001, 0.95),
    seed=st.integers(0, 2**32),
)
def test_every_class_gives_its_share_within_one_row(counts: list[int], rare: int, share: float, seed: int) -> None:
    counts = counts + [1] * rare
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    chosen = hold_out(y, np.arange(len(y)), share, rng)
    total = min(max(round(share * len(y)), 1), len(y) - 1)
    assert chosen.sum() == total
    for k, count in enumerate(counts):
        of_class = int(chosen[y == k].sum())
        assert abs(of_class - count * total / len(y)) < 1
        assert abs(of_class - count * share) < 1 + max(abs(total - share * len(y)), 0.5)


def test_a_rare_class_is_not_always_on_the_same_side() -> None:
    y = np.array([0] * 30 + [1])
    sides = {bool(hold_out(y, np.arange(31), 0.5, np.random.default_rng(seed))[30]) for seed in range(20)}
    assert sides == {True, False}


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(12, 120),
    val=st.floats(0.001, 0.3),
    cal=st.floats(0.001, 0.3),
    test=st.floats(0.001, 0.3),
    seed=st.integers(0, 1000),
)
def test_splits_are_disjoint_and_complete(n: int, val: float, cal: float, test: float, seed: int) -> None:
    source = arrays(n, classes=2)
    source.y[:6] = [0, 1, 0, 1, 0, 1]
    try:
        data = split(source, val=val, cal=cal, test=test, split_seed=seed)
    except InputError as error:  # only if the remaining training rows are all of one class
        if "one class" in error.message:
            return
        raise
    sets = [rows_of(data, name) for name in SPLITS]
    assert sum(map(len, sets)) == n
    assert set.union(*sets) == set(range(n))
    for name in SPLITS:
        part = getattr(data, name)
        np.testing.assert_array_equal(part.x, source.x[part.ids].astype(np.float32))
        np.testing.assert_array_equal(part.y, source.y[part.ids])
    for name, share in (("val", val), ("cal", cal), ("test", test)):
        assert abs(len(getattr(data, name)) - share * n) <= 1


def test_the_default_split_of_digits_is_stratified() -> None:
    data = load_data(resolve("ce"))
    labels = np.concatenate([getattr(data, name).y for name in SPLITS])
    assert data.num_classes == 10
    assert len(labels) == 1797
    for name, share in (("val", 0.1), ("cal", 0.1), ("test", 0.25)):
        for k in range(10):
            expected = share * (labels == k).sum()
            assert abs((getattr(data, name).y == k).sum() - expected) <= 1.1


def test_the_split_follows_its_own_seed() -> None:
    data, again, other_seed = split(arrays()), split(arrays()), split(arrays(), split_seed=1)
    assert data.fingerprint == again.fingerprint
    assert rows_of(data, "test") == rows_of(again, "test")
    assert rows_of(data, "test") != rows_of(other_seed, "test")
    a, b = load_data(resolve("ce", seed=0)), load_data(resolve("ce", seed=1))
    assert a.fingerprint == b.fingerprint  # the run's seed does not move the split


@settings(max_examples=40, deadline=None)
@given(
    content=st.lists(st.integers(0, 12), min_size=20, max_size=80).filter(lambda c: len(set(c)) >= 8),
    seed=st.integers(0, 99),
)
def test_duplicates_never_straddle_splits(content: list[int], seed: int) -> None:
    x = np.array(content, dtype=np.float64)[:, None]
    y = np.arange(len(content)) % 2  # copies of a row may even have different labels
    try:
        data = split(Arrays(x=x, y=y), split_seed=seed)
    except InputError as error:
        if "one class" in error.message or "too few distinct" in error.message:
            return
        raise
    contents = [set(getattr(data, name).x.ravel().tolist()) for name in SPLITS]
    assert sum(map(len, contents)) == len(set.union(*contents))


def test_splits_of_the_dataset_are_kept_and_their_shares_refused() -> None:
    test = arrays(50, seed=1)
    data = split(arrays(test=(test.x, test.y)))
    assert data.sizes() == {"train": 160, "val": 20, "cal": 20, "test": 50}
    np.testing.assert_array_equal(data.test.ids, np.arange(50))
    with pytest.raises(InputError, match=r"test=0.3 would do nothing"):
        split(arrays(test=(test.x, test.y)), test=0.3)


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="leave less than 5 % for training"):
        split(arrays(), val=0.4, cal=0.3, test=0.3)


def test_too_few_distinct_rows_are_refused() -> None:
    with pytest.raises(InputError, match="too few distinct rows"):
        split(Arrays(x=np.array([[0.0], [1.0]] * 20), y=np.array([0, 1] * 20)))


@pytest.mark.parametrize("name", ["val", "cal", "test"])
def test_a_leak_is_refused_naming_the_rows(name: str) -> None:
    source, leaking = arrays(), arrays(40, seed=1)
    leaking.x[7] = source.x[11]
    with pytest.raises(InputError, match=rf"1 rows of {name} are also in train \(first: row 7 of {name} is row 11 of"):
        split(replace(source, **(held_out_pairs(40, 2) | {name: (leaking.x, leaking.y)})))


def test_a_leak_is_found_across_types_and_signs_of_zero() -> None:
    source = Arrays(x=np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]), y=np.array([0, 1, 0, 1]))
    test = np.array([[-0.0, 1.0], [9.0, 9.0]], dtype=np.float32)
    rest = {"val": (np.array([[10.0, 1]]), np.array([0])), "cal": (np.array([[11.0, 1]]), np.array([0]))}
    with pytest.raises(InputError, match="row 0 of test is row 0 of train"):
        split(replace(source, test=(test, np.array([0, 1])), **rest))
    with pytest.raises(InputError, match="row 0 of test is row 1 of train"):
        split(replace(source, test=(np.array([[2, 3]], dtype=np.uint8), np.array([0])), **rest))


@settings(max_examples=60, deadline=None)
@given(a=st.lists(st.integers(0, 9), min_size=1, max_size=30), b=st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_overlap_against_a_double_loop(a: list[int], b: list[int]) -> None:
    rows_a, rows_b = overlap(row_hashes(np.array(a)[:, None]), row_hashes(np.array(b)[:, None]))
    assert rows_a.tolist() == [i for i, value in enumerate(a) if value in b]
    assert rows_b.tolist() == [b.index(value) for value in a if value in b]
