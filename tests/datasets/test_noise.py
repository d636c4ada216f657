"""Label noise: stated and realised transition matrices, exact shares, seeds, and refused parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibench import InputError, run
from calibench.config.resolve import resolve
from calibench.data.load import load_data
from calibench.data.noise import realised_transition, uniform_transition
from calibench_datasets.noise.asymmetric import asymmetric
from calibench_datasets.noise.instance import instance
from calibench_datasets.noise.pairflip import pairflip
from calibench_datasets.noise.symmetric import symmetric


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_symmetric_noise_realises_what_it_states() -> None:
    y = np.arange(50_000) % 10
    noisy = symmetric(y, 10, rng(), 0.3)
    assert (noisy.labels != y).mean() == 0.3
    expected = np.full((10, 10), 0.3 / 9)
    np.fill_diagonal(expected, 0.7)
    np.testing.assert_allclose(noisy.transition, expected)
    np.testing.assert_allclose(realised_transition(y, noisy.labels, 10), expected, atol=0.015)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 400), classes=st.integers(2, 9), rate=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_pairflip_moves_its_share_of_each_class_to_the_next(n: int, classes: int, rate: float, seed: int) -> None:
    y = rng(seed).integers(classes, size=n)
    noisy = pairflip(y, classes, rng(seed), rate)
    wrong = noisy.labels != y
    np.testing.assert_array_equal(noisy.labels[wrong], (y[wrong] + 1) % classes)
    for k in range(classes):
        assert wrong[y == k].sum() == round(rate * (y == k).sum())
    np.testing.assert_allclose(noisy.transition.sum(axis=1), 1)
    np.testing.assert_array_equal(noisy.labels, pairflip(y, classes, rng(seed), rate).labels)
    if (np.bincount(y, minlength=classes) > 0).all():
        np.testing.assert_allclose(
            realised_transition(y, noisy.labels, classes), noisy.transition, atol=0.5 / np.bincount(y).min() + 1e-9
        )


def test_asymmetric_noise_follows_its_pairs() -> None:
    y = np.arange(5000) % 10
    noisy = asymmetric(y, 10, rng(), 0.4, "cifar10")
    flips = {(int(a), int(b)) for a, b in zip(y, noisy.labels, strict=True) if a != b}
    assert flips == {(9, 1), (2, 0), (4, 7), (3, 5), (5, 3)}
    np.testing.assert_allclose(realised_transition(y, noisy.labels, 10), noisy.transition, atol=1e-12)
    same = asymmetric(y, 10, rng(), 0.4, " 9-1 ;2-0;4-7;3-5;5-3")
    np.testing.assert_array_equal(same.labels, noisy.labels)


def test_the_pairs_of_mnist_are_those_of_patrini_et_al() -> None:
    """giorgiop/loss-correction, noise.py: 7 -> 1, 2 -> 7, 5 <-> 6, 3 -> 8. Half of the classes, so half of the rate is wrong."""
    y = np.arange(10_000) % 10
    noisy = asymmetric(y, 10, rng(), 0.4, "mnist")
    expected = np.eye(10)
    for k, target in ((7, 1), (2, 7), (5, 6), (6, 5), (3, 8)):
        expected[k, k], expected[k, target] = 0.6, 0.4
    np.testing.assert_allclose(realised_transition(y, noisy.labels, 10), expected, atol=1e-12)
    np.testing.assert_allclose(noisy.transition, expected, atol=1e-12)
    assert (noisy.labels != y).mean() == 0.2


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ("3-5;5", "'5' is not a pair"),
        ("3>5", "'3>5' is not a pair"),
        ("", "'' is not a pair"),
        ("3-10", "there is no class 10"),
        ("3-3", "class 3 becomes itself"),
        ("3-5;3-4", "class 3 is on the left twice"),
        ("-1-2", "'-1-2' is not a pair"),
    ],
)
def test_impossible_pairs_are_refused(pairs: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        asymmetric(np.arange(20) % 10, 10, rng(), 0.4, pairs)


def test_instance_noise_depends_on_the_row_and_keeps_its_rate() -> None:
    n, classes = 40_000, 5
    y = np.arange(n) % classes
    x = rng(1).normal(size=(n, 4)).astype(np.float32)
    x[n // 2 :] = x[: n // 2]  # every row twice, with the same label
    labels = instance(y, classes, rng(), x, 0.3)
    wrong = labels != y
    assert wrong.mean() == pytest.approx(0.3, abs=0.01)
    twice_wrong = wrong[: n // 2] & wrong[n // 2 :]
    agree = labels[: n // 2][twice_wrong] == labels[n // 2 :][twice_wrong]
    assert agree.mean() > 0.45, "wrong labels of equal rows agree no more often than one in four"
    np.testing.assert_array_equal(labels, instance(y, classes, rng(), x, 0.3))
    assert (labels != instance(y, classes, rng(1), x, 0.3)).any()
    shuffled = instance(y, classes, rng(), rng(2).permutation(x), 0.3)
    assert (shuffled != labels).any()


def test_instance_noise_draws_from_the_documented_softmax() -> None:
    """One feature, three classes: the shares of wrong labels at one x against the formula with the model's own weights."""
    n = 60_000
    x = np.concatenate([np.ones(n // 2), -np.ones(n // 2)]).astype(np.float32)[:, None]  # mean 0, SD 1 as it is
    labels = instance(np.zeros(n, dtype=np.int64), 3, rng(5), x, 0.5)
    generator = rng(5)
    rates = generator.normal(0.5, 0.1, size=n)
    assert ((rates >= 0) & (rates <= 1)).all()
    weights = generator.standard_normal((1, 3))
    for sign, rows in ((1, slice(0, n // 2)), (-1, slice(n // 2, n))):
        e = np.exp(sign * weights[0, 1:])
        shares = np.bincount(labels[rows], minlength=3)[1:] / (n // 2)
        np.testing.assert_allclose(shares, 0.5 * e / e.sum(), atol=0.01)


@pytest.mark.parametrize("rate", [0.05, 0.95])
def test_instance_noise_refuses_rates_that_would_be_cut_off(rate: float) -> None:
    with pytest.raises(InputError, match="would mostly be cut off"):
        instance(np.zeros(5, dtype=np.int64), 3, rng(), np.zeros((5, 2), dtype=np.float32), rate)


def test_the_record_holds_the_stated_and_the_realised_matrix() -> None:
    record = run("ce", noise="pairflip:rate=0.25", epochs=1, model="mlp:hidden=4", results=None)
    noise = record.data["noise"]
    np.testing.assert_allclose(noise["transition"], 0.75 * np.eye(10) + 0.25 * np.roll(np.eye(10), 1, axis=1))
    np.testing.assert_allclose(noise["realised_transition"], noise["transition"], atol=0.01)
    data = load_data(resolve("ce", noise="instance:rate=0.3"))
    assert data.noise is not None
    assert "transition" not in data.noise
    clean = load_data(resolve("ce"))
    np.testing.assert_allclose(
        data.noise["realised_transition"], realised_transition(clean.train.y, data.train.y, 10), rtol=1e-12
    )
    assert data.noise["realised_rate"] == pytest.approx(0.3, abs=0.06)


def test_a_class_without_rows_keeps_its_label() -> None:
    np.testing.assert_array_equal(realised_transition(np.array([0, 0]), np.array([0, 2]), 3)[1], [0, 1, 0])
    np.testing.assert_allclose(uniform_transition(2, 1.0), [[0, 1], [1, 0]])


def test_noise_may_reach_val_and_the_record_has_each_rate() -> None:
    both = load_data(resolve("ce", noise="symmetric:rate=0.3,on=train;val", seed=3))
    train = load_data(resolve("ce", noise="symmetric:rate=0.3", seed=3))
    clean = load_data(resolve("ce", seed=3))
    np.testing.assert_array_equal(both.train.y, train.train.y, "noise on val changed the noise on train")
    assert round(float((both.val.y != clean.val.y).mean()), 2) == 0.3
    for name in ("cal", "test"):
        np.testing.assert_array_equal(getattr(both, name).y, getattr(clean, name).y)
    np.testing.assert_array_equal(train.val.y, clean.val.y)
    assert set(both.noise["realised_rates"]) == {"train", "val"}
    assert both.noise["realised_rates"]["val"] == (both.val.y != clean.val.y).mean()
    assert train.noise["realised_rates"] == {"train": train.noise["realised_rate"]}
    assert len({both.fingerprint, train.fingerprint, clean.fingerprint}) == 3
    assert both.clean_fingerprint == clean.clean_fingerprint
    np.testing.assert_array_equal(both.mislabelled, both.train.y != clean.train.y)
    record = run("ce", noise="symmetric:rate=0.3,on=train;val", epochs=1, model="mlp:hidden=4", results=None)
    assert record.data["noise"]["params"]["on"] == "train;val"


def test_labels_from_a_file_follow_the_rows_of_val(tmp_path: Path) -> None:
    clean = load_data(resolve("ce"))
    labels = (np.concatenate([getattr(clean, name).ids for name in ("train", "val", "cal", "test")]) * 0).astype(int)
    labels[clean.val.ids] = 7
    np.savez(tmp_path / "n.npz", labels=labels)
    data = load_data(resolve("ce", noise=f"given:path={tmp_path / 'n.npz'},on=train;val"))
    assert set(data.val.y) == {7}
    assert set(data.train.y) == {0}
    x, y = np.random.default_rng(0).normal(size=(90, 3)), np.arange(90) % 3
    np.savez(tmp_path / "own.npz", train_x=x[:60], train_y=y[:60], val_x=x[60:], val_y=y[60:])
    np.savez(tmp_path / "n.npz", labels=y[:60])
    dataset = f"npz:path={tmp_path / 'own.npz'}"
    with pytest.raises(InputError, match="val is a split of its own"):
        load_data(resolve("ce", dataset, noise=f"given:path={tmp_path / 'n.npz'},on=train;val"))
    assert (
        load_data(resolve("ce", dataset, noise="symmetric:rate=0.5,on=train;val")).noise["realised_rates"]["val"] == 0.5
    )


@pytest.mark.parametrize("on", ["cal", "test", "train;test", "val", ""])
def test_noise_never_reaches_cal_or_test(on: str) -> None:
    with pytest.raises(InputError, match="on="):
        resolve("ce", noise=f"symmetric:rate=0.3,on={on}")
