"""Label noise: how many labels become wrong, which splits it reaches, from which seeds it is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from toy_data import arrays, split

from calibench import InputError
from calibench.config.resolve import resolve
from calibench.data.load import load_data
from calibench.data.noise import with_noisy_labels
from calibench.data.prepare import SPLITS
from calibench.seeds import noise_seed
from calibench_datasets.noise.symmetric import symmetric


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 300), classes=st.integers(2, 12), rate=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_symmetric_noise_makes_exactly_its_share_wrong(n: int, classes: int, rate: float, seed: int) -> None:
    y = np.random.default_rng(seed).integers(classes, size=n)
    clean = y.copy()
    noisy = symmetric(y, classes, np.random.default_rng(seed), rate).labels
    assert (noisy != y).sum() == round(rate * n)
    assert noisy.min() >= 0
    assert noisy.max() < classes
    np.testing.assert_array_equal(y, clean)  # the clean labels are not changed in place
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
    assert stats.chisquare(others.sum(axis=1)).pvalue > 1e-4  # a row is as likely wrong in one class as in another
    realised = (transition + np.diag(np.bincount(y[~wrong], minlength=classes))) * classes / n
    expected = np.full((classes, classes), 0.4 / (classes - 1))
    np.fill_diagonal(expected, 0.6)
    np.testing.assert_allclose(realised, expected, atol=0.02)


def test_noise_is_seeded_and_changes_only_the_training_labels() -> None:
    clean = load_data(resolve("ce"))
    noisy, again, other_seed = (load_data(resolve("ce", noise="symmetric:rate=0.3", seed=s)) for s in (0, 0, 1))
    for name in SPLITS[1:]:
        np.testing.assert_array_equal(getattr(noisy, name).y, getattr(clean, name).y)
        np.testing.assert_array_equal(getattr(noisy, name).x, getattr(clean, name).x)
    np.testing.assert_array_equal(noisy.train.x, clean.train.x)
    share = (noisy.train.y != clean.train.y).mean()
    assert abs(share - 0.3) < 1 / len(clean.train)
    assert noisy.noise is not None
    assert noisy.noise["realised_rate"] == share
    np.testing.assert_array_equal(noisy.train.y, again.train.y)
    assert (noisy.train.y != other_seed.train.y).any()
    assert len({clean.fingerprint, noisy.fingerprint, other_seed.fingerprint}) == 3
    assert clean.test_fingerprint == noisy.test_fingerprint
    assert clean.train.y.tolist() == load_data(resolve("ce")).train.y.tolist()


def test_each_split_draws_its_noise_from_a_seed_of_its_own() -> None:
    data = load_data(resolve("ce", noise="symmetric:rate=0.3,on=train;val", seed=7))
    clean = load_data(resolve("ce"))
    for name in ("train", "val"):
        labels = getattr(clean, name).y
        drawn = symmetric(labels, 10, np.random.default_rng(noise_seed(7, name)), 0.3).labels
        np.testing.assert_array_equal(getattr(data, name).y, drawn)
    assert noise_seed(7, "train") != noise_seed(7, "val")


def test_labels_of_a_noise_plugin_that_do_not_fit_are_refused() -> None:
    data = split(arrays())
    y = data.train.y
    for labels in (y[:-1], y.astype(float), y - 1, y + 3, y[:-1].tolist()):
        with pytest.raises(InputError, match="noise bad"):
            with_noisy_labels(data, {"train": labels}, {}, "noise bad")


def labels_file(folder: Path, **labels: np.ndarray) -> Path:
    file = folder / "labels.npz"
    np.savez(file, **labels)
    return file


def test_labels_from_a_file_follow_their_rows_into_the_training_split(tmp_path: Path) -> None:
    rows = np.arange(300)
    x = np.stack([rows, rows % 7], axis=1).astype(np.float32)
    np.savez(tmp_path / "d.npz", train_x=x, train_y=rows % 3)
    labels_of_people = (rows // 5) % 3
    file = labels_file(tmp_path, worse=labels_of_people, aggregate=rows % 3)
    data = load_data(resolve("ce", f"npz:path={tmp_path / 'd.npz'}", noise=f"given:path={file},key=worse"))
    train = data.train.x[:, 0].astype(int)  # val, cal and test were held out
    np.testing.assert_array_equal(data.train.y, labels_of_people[train])
    for name in ("val", "cal", "test"):
        part = getattr(data, name)
        np.testing.assert_array_equal(part.y, part.x[:, 0] % 3)  # they stay clean
    assert data.noise is not None
    wrong = (labels_of_people != rows % 3)[train]
    assert data.noise["realised_rate"] == wrong.mean()
    np.testing.assert_array_equal(data.mislabelled, wrong)


@pytest.mark.parametrize(
    ("labels", "key", "message"),
    [
        ({"a": np.zeros(1797, int), "b": np.zeros(1797, int)}, "", "holds 2 arrays"),
        ({"worse": np.zeros(1797, int)}, ",key=wors", "has no array 'wors'"),
        ({"a": np.zeros((1797, 2), int)}, "", "has shape"),
        ({"a": np.zeros(1797)}, "", "type float64"),
        ({"a": np.zeros(100, int)}, "", "has 100 labels"),
        ({"a": np.full(1797, 10)}, "", "label 0 of 'a' is 10"),
    ],
)
def test_labels_from_a_file_that_do_not_fit_are_refused(labels: dict, key: str, message: str, tmp_path: Path) -> None:
    file = labels_file(tmp_path, **labels)
    with pytest.raises(InputError, match=message):
        load_data(resolve("ce", noise=f"given:path={file}{key}"))
