"""From arrays to splits: shares, leaks, noise and fingerprints, against counts made here by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from calibench import Arrays, InputError
from calibench.config.from_words import resolve
from calibench.data.load import load_data
from calibench.data.noise import with_noisy_labels
from calibench.data.prepare import SPLITS, Data, prepare
from calibench.data.splits import hold_out, overlap, row_hashes
from calibench_datasets.noise.symmetric import symmetric
from calibench_datasets.sources.npz import npz

SHARES: dict[str, Any] = {"val": 0.1, "cal": 0.1, "test": 0.25, "split_seed": 0}


def arrays(n: int = 200, classes: int = 4, seed: int = 0, **more: Any) -> Arrays:
    rng = np.random.default_rng(seed)
    return Arrays(x=rng.normal(size=(n, 3)), y=rng.integers(classes, size=n), **more)


def split(source: Arrays, **shares: Any) -> Data:
    return prepare(source, SHARES | shares, frozenset(shares), "dataset toy")


def rows_of(data: Data, name: str) -> set[int]:
    return set(getattr(data, name).ids.tolist())


# --- splits ---------------------------------------------------------------------------------------------------------


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
    out = hold_out(y, np.arange(len(y)), share, rng)
    wanted = min(max(round(share * len(y)), 1), len(y) - 1)
    assert out.sum() == wanted
    for k, count in enumerate(counts):
        taken = int(out[y == k].sum())
        assert abs(taken - count * wanted / len(y)) < 1
        assert abs(taken - count * share) < 1 + max(abs(wanted - share * len(y)), 0.5)


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
    except InputError as error:  # only when the training rows that are left are all of one class
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


def test_digits_default_split_is_stratified_as_said() -> None:
    data = load_data(resolve("ce"))
    everything = np.concatenate([getattr(data, name).y for name in SPLITS])
    assert data.num_classes == 10
    assert len(everything) == 1797
    for name, share in (("val", 0.1), ("cal", 0.1), ("test", 0.25)):
        for k in range(10):
            expected = share * (everything == k).sum()
            assert abs((getattr(data, name).y == k).sum() - expected) <= 1.1


def test_the_split_follows_its_own_seed() -> None:
    one, same, other = split(arrays()), split(arrays()), split(arrays(), split_seed=1)
    assert one.fingerprint == same.fingerprint
    assert rows_of(one, "test") == rows_of(same, "test")
    assert rows_of(one, "test") != rows_of(other, "test")
    a, b = load_data(resolve("ce", seed=0)), load_data(resolve("ce", seed=1))
    assert a.fingerprint == b.fingerprint  # the run's seed does not move the split


@settings(max_examples=40, deadline=None)
@given(
    content=st.lists(st.integers(0, 12), min_size=20, max_size=80).filter(lambda c: len(set(c)) >= 8),
    seed=st.integers(0, 99),
)
def test_duplicates_never_straddle_splits(content: list[int], seed: int) -> None:
    x = np.array(content, dtype=np.float64)[:, None]
    y = np.arange(len(content)) % 2  # labels may even contradict one another
    try:
        data = split(Arrays(x=x, y=y), split_seed=seed)
    except InputError as error:
        if "one class" in error.message or "too few distinct" in error.message:
            return
        raise
    held = [set(getattr(data, name).x.ravel().tolist()) for name in SPLITS]
    assert sum(map(len, held)) == len(set.union(*held))


def test_given_splits_are_kept_and_their_shares_refused() -> None:
    other = arrays(50, seed=1)
    data = split(arrays(test=(other.x, other.y)))
    assert data.sizes() == {"train": 160, "val": 20, "cal": 20, "test": 50}
    np.testing.assert_array_equal(data.test.ids, np.arange(50))
    with pytest.raises(InputError, match=r"test=0.3 would do nothing"):
        split(arrays(test=(other.x, other.y)), test=0.3)


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="leave less than 5 % for training"):
        split(arrays(), val=0.4, cal=0.3, test=0.3)


def test_too_few_distinct_rows_are_refused() -> None:
    with pytest.raises(InputError, match="too few distinct rows"):
        split(Arrays(x=np.array([[0.0], [1.0]] * 20), y=np.array([0, 1] * 20)))


@pytest.mark.parametrize("name", ["val", "cal", "test"])
def test_a_leak_is_refused_naming_the_rows(name: str) -> None:
    source, other = arrays(), arrays(40, seed=1)
    others = {part: (arrays(40, seed=k).x, arrays(40, seed=k).y) for k, part in enumerate(SPLITS[1:], 2)}
    x = other.x.copy()
    x[7] = source.x[11]
    with pytest.raises(InputError, match=rf"1 rows of {name} are also in train \(first: row 7 of {name} is row 11 of"):
        split(replace(source, **(others | {name: (x, other.y)})))


def test_a_leak_hides_neither_behind_a_type_nor_behind_a_minus_zero() -> None:
    source = Arrays(x=np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]), y=np.array([0, 1, 0, 1]))
    test = np.array([[-0.0, 1.0], [9.0, 9.0]], dtype=np.float32)
    free = {"val": (np.array([[10.0, 1]]), np.array([0])), "cal": (np.array([[11.0, 1]]), np.array([0]))}
    with pytest.raises(InputError, match="row 0 of test is row 0 of train"):
        split(replace(source, test=(test, np.array([0, 1])), **free))
    with pytest.raises(InputError, match="row 0 of test is row 1 of train"):
        split(replace(source, test=(np.array([[2, 3]], dtype=np.uint8), np.array([0])), **free))


@settings(max_examples=60, deadline=None)
@given(a=st.lists(st.integers(0, 9), min_size=1, max_size=30), b=st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_overlap_against_a_double_loop(a: list[int], b: list[int]) -> None:
    rows_a, rows_b = overlap(row_hashes(np.array(a)[:, None]), row_hashes(np.array(b)[:, None]))
    assert rows_a.tolist() == [i for i, value in enumerate(a) if value in b]
    assert rows_b.tolist() == [b.index(value) for value in a if value in b]


# --- refusals -------------------------------------------------------------------------------------------------------

NAN = np.ones((8, 2))
NAN[3, 1] = np.nan
Y = np.array([0, 1] * 4)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Arrays(x=np.ones(8), y=Y), r"x has shape \[8\]"),
        (Arrays(x=np.ones((8, 2)), y=Y[:7]), r"x has 8 rows and y has shape \[7\]"),
        (Arrays(x=np.ones((0, 2)), y=Y[:0]), "it is empty"),
        (Arrays(x=np.ones((8, 0)), y=Y), "it is empty"),
        (Arrays(x=np.ones((8, 2)), y=Y.astype(float)), "y has type float64"),
        (Arrays(x=np.full((8, 2), "a"), y=Y), "x has type"),
        (Arrays(x=NAN, y=Y), "row 3 of x holds NaN"),
        (Arrays(x=np.ones((8, 2)), y=Y - np.array([0, 0, 1] + [0] * 5)), "the label of row 2 is -1"),
        (Arrays(x=np.ones((8, 2)), y=np.array([0, 2**64 - 1] * 4, dtype=np.uint64)), "the label of row 1 is"),
        (Arrays(x=np.arange(400.0).reshape(200, 2), y=np.zeros(200, int)), "one class"),
        (arrays(head_weight=np.ones((4, 3))), "come together"),
        (arrays(head_weight=np.ones((4, 2)), head_bias=np.ones(4)), "do not fit x"),
        (arrays(head_weight=np.ones((4, 3)), head_bias=np.ones(3)), "do not fit x"),
        (arrays(head_weight=np.ones((3, 3)), head_bias=np.ones(3)), r"a label is 3, outside \[0, 3\)"),
        (arrays(head_weight=np.full((4, 3), np.nan), head_bias=np.ones(4)), "NaN or infinity"),
        (arrays(head_weight=np.full((4, 3), "w"), head_bias=np.ones(4)), "head_weight"),
        (arrays(test=(np.ones((5, 4)), np.array([0, 1, 2, 3, 0]))), "differ in shape"),
    ],
)
def test_bad_arrays_are_refused(source: Arrays, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        split(source)
    assert caught.value.message.startswith("dataset toy")


@pytest.mark.filterwarnings("ignore:overflow")
def test_values_beyond_float32_are_refused() -> None:
    with pytest.raises(InputError, match="beyond float32"):
        split(Arrays(x=np.full((8, 2), 1e300), y=Y))


def test_npz_reads_pairs_and_refuses_the_rest(tmp_path: Path) -> None:
    source = arrays()
    file = tmp_path / "a.npz"
    np.savez(file, train_x=source.x, train_y=source.y, test_x=source.x[:3], test_y=source.y[:3])
    found = npz(str(file))
    np.testing.assert_array_equal(found.x, source.x)
    assert found.test is not None
    assert found.val is found.cal is found.head_weight is None
    np.savez(file, train_x=source.x, train_y=source.y, test_x=source.x)
    with pytest.raises(InputError, match="test_x and test_y come together"):
        npz(str(file))
    np.savez(file, train_x=source.x, train_y=source.y, tset_x=source.x)
    with pytest.raises(InputError, match="no array is called 'tset_x'") as caught:
        npz(str(file))
    assert "test_x" in caught.value.hint
    np.savez(file, test_x=source.x, test_y=source.y)
    with pytest.raises(InputError, match="no train_x"):
        npz(str(file))
    np.savez(file, train_x=np.array([{"a": 1}]), train_y=source.y)
    with pytest.raises(InputError, match="pickle"):
        npz(str(file))
    file.write_bytes(b"not a zip")
    with pytest.raises(InputError, match=r"not an \.npz file"):
        npz(str(file))
    with pytest.raises(InputError, match="there is no file"):
        npz(str(tmp_path / "b.npz"))


# --- fingerprints ---------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(SPLITS),
    part=st.sampled_from("xy"),
    row=st.integers(0, 19),
    bit=st.integers(0, 22),
    k=st.integers(0, 2),
)
def test_any_bit_of_any_split_changes_the_fingerprint(name: str, part: str, row: int, bit: int, k: int) -> None:
    pairs = {key: (arrays(20, seed=i).x.astype(np.float32), arrays(20, seed=i).y) for i, key in enumerate(SPLITS)}

    def fingerprints() -> tuple[str, str]:
        x, y = pairs["train"]
        data = split(Arrays(x=x, y=y, val=pairs["val"], cal=pairs["cal"], test=pairs["test"]))
        return data.fingerprint, data.test_fingerprint

    before = fingerprints()
    x, y = pairs[name][0].copy(), pairs[name][1].copy()
    if part == "x":
        x.view(np.uint32)[row, k] ^= np.uint32(1 << bit)  # mantissa bits: it stays finite
    else:
        y[row] = (y[row] + 1 + k) % 4
    pairs[name] = (x, y)
    after = fingerprints()
    assert before[0] != after[0]
    assert (before[1] != after[1]) == (name == "test")


def test_the_fingerprint_holds_ids_order_shape_and_head() -> None:
    source = arrays()
    seen = {split(source).fingerprint, split(source, split_seed=1).fingerprint}
    order = np.roll(np.arange(200), 1)
    other = arrays(30, seed=5)
    given_splits = {name: (arrays(30, seed=k).x, arrays(30, seed=k).y) for k, name in enumerate(SPLITS[1:], 5)}
    whole = replace(source, **given_splits)
    seen |= {split(whole).fingerprint, split(replace(whole, x=source.x[order], y=source.y[order])).fingerprint}
    seen.add(split(replace(whole, **{"val": given_splits["cal"], "cal": given_splits["val"]})).fingerprint)
    head = {"head_weight": np.ones((4, 3)), "head_bias": np.zeros(4)}
    seen.add(split(replace(whole, **head)).fingerprint)
    seen.add(split(replace(whole, **(head | {"head_bias": np.array([0, 0, 0, 1e-7])}))).fingerprint)
    assert len(seen) == 7
    assert len(other.y) == 30


# --- noise ----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 300), classes=st.integers(2, 12), rate=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_symmetric_noise_makes_exactly_its_share_wrong(n: int, classes: int, rate: float, seed: int) -> None:
    y = np.random.default_rng(seed).integers(classes, size=n)
    kept = y.copy()
    noisy = symmetric(y, classes, np.random.default_rng(seed), rate).labels
    assert (noisy != y).sum() == round(rate * n)
    assert noisy.min() >= 0
    assert noisy.max() < classes
    np.testing.assert_array_equal(y, kept)  # the clean labels are not written on
    np.testing.assert_array_equal(noisy, symmetric(y, classes, np.random.default_rng(seed), rate).labels)


def test_rates_0_and_1() -> None:
    y = np.arange(100) % 5
    np.testing.assert_array_equal(symmetric(y, 5, np.random.default_rng(0), 0.0).labels, y)
    assert (symmetric(y, 5, np.random.default_rng(0), 1.0).labels != y).all()
    np.testing.assert_array_equal(symmetric(y % 2, 2, np.random.default_rng(0), 1.0).labels, 1 - y % 2)


def test_wrong_labels_are_uniform_over_the_other_classes() -> None:
    classes, n = 5, 50_000
    y = np.arange(n) % classes
    noisy = symmetric(y, classes, np.random.default_rng(7), 0.4).labels
    wrong = noisy != y
    transition = np.zeros((classes, classes))
    np.add.at(transition, (y[wrong], noisy[wrong]), 1)
    np.testing.assert_array_equal(np.diag(transition), 0)
    others = transition[~np.eye(classes, dtype=bool)].reshape(classes, classes - 1)
    for row in others:
        assert stats.chisquare(row).pvalue > 1e-4
    assert stats.chisquare(others.sum(axis=1)).pvalue > 1e-4  # which rows are wrong does not hang on the class
    everything = (transition + np.diag(np.bincount(y[~wrong], minlength=classes))) * classes / n
    expected = np.full((classes, classes), 0.4 / (classes - 1))
    np.fill_diagonal(expected, 0.6)
    np.testing.assert_allclose(everything, expected, atol=0.02)


def test_noise_is_seeded_and_touches_the_training_labels_alone() -> None:
    clean = load_data(resolve("ce"))
    noisy, again, other = (load_data(resolve("ce", noise="symmetric:rate=0.3", seed=s)) for s in (0, 0, 1))
    for name in SPLITS[1:]:
        np.testing.assert_array_equal(getattr(noisy, name).y, getattr(clean, name).y)
        np.testing.assert_array_equal(getattr(noisy, name).x, getattr(clean, name).x)
    np.testing.assert_array_equal(noisy.train.x, clean.train.x)
    share = (noisy.train.y != clean.train.y).mean()
    assert abs(share - 0.3) < 1 / len(clean.train)
    assert noisy.noise is not None
    assert noisy.noise["realised_rate"] == share
    np.testing.assert_array_equal(noisy.train.y, again.train.y)
    assert (noisy.train.y != other.train.y).any()
    assert len({clean.fingerprint, noisy.fingerprint, other.fingerprint}) == 3
    assert clean.test_fingerprint == noisy.test_fingerprint
    assert clean.train.y.tolist() == load_data(resolve("ce")).train.y.tolist()


def test_a_noise_plugin_that_returns_nonsense_is_refused() -> None:
    data = split(arrays())
    y = data.train.y
    for labels in (y[:-1], y.astype(float), y - 1, y + 3):
        with pytest.raises(InputError, match="noise bad"):
            with_noisy_labels(data, {"train": labels}, {}, "noise bad")


def labels_file(folder: Path, **arrays: np.ndarray) -> Path:
    file = folder / "labels.npz"
    np.savez(file, **arrays)
    return file


def test_given_labels_follow_their_rows_into_the_training_split(tmp_path: Path) -> None:
    rows = np.arange(300)
    x = np.stack([rows, rows % 7], axis=1).astype(np.float32)
    np.savez(tmp_path / "d.npz", train_x=x, train_y=rows % 3)
    people = (rows // 5) % 3
    file = labels_file(tmp_path, worse=people, aggregate=rows % 3)
    data = load_data(resolve("ce", f"npz:path={tmp_path / 'd.npz'}", noise=f"given:path={file},key=worse"))
    np.testing.assert_array_equal(
        data.train.y, people[data.train.x[:, 0].astype(int)]
    )  # though val, cal, test were taken out
    for name in ("val", "cal", "test"):
        split = getattr(data, name)
        np.testing.assert_array_equal(split.y, split.x[:, 0] % 3)  # they stay clean
    assert data.noise is not None
    wrong = (people != rows % 3)[data.train.x[:, 0].astype(int)]
    assert data.noise["realised_rate"] == wrong.mean()
    np.testing.assert_array_equal(data.mislabelled, wrong)


@pytest.mark.parametrize(
    ("arrays", "key", "message"),
    [
        ({"a": np.zeros(1797, int), "b": np.zeros(1797, int)}, "", "holds 2 arrays"),
        ({"worse": np.zeros(1797, int)}, ",key=wors", "has no array 'wors'"),
        ({"a": np.zeros((1797, 2), int)}, "", "has shape"),
        ({"a": np.zeros(1797)}, "", "type float64"),
        ({"a": np.zeros(100, int)}, "", "has 100 labels"),
        ({"a": np.full(1797, 10)}, "", "label 0 of 'a' is 10"),
    ],
)
def test_given_labels_that_do_not_fit_are_refused(arrays: dict, key: str, message: str, tmp_path: Path) -> None:
    file = labels_file(tmp_path, **arrays)
    with pytest.raises(InputError, match=message):
        load_data(resolve("ce", noise=f"given:path={file}{key}"))
