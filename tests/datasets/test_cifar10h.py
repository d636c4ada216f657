"""`cifar10h`: people's answers to CIFAR-10's test images, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cifar_archive import ROWS, batch
from published_files import data_folder, load_from, md5

from calibench import InputError
from calibench.config.resolve import resolve
from calibench.data.load import load_data
from calibench_datasets.sources import cifar10h


def answers(shift: int = 0) -> np.ndarray:
    """Shares as in the published file: float64 [N, 10], each row of some 50 answers."""
    rng = np.random.default_rng(1)
    labels = np.array(batch(6)[b"labels"]) + shift
    return np.stack([rng.multinomial(51, 0.8 * np.eye(10)[y % 10] + 0.02) for y in labels]) / 51


@pytest.fixture
def write(write_cifar10, tmp_path: Path, monkeypatch):
    """`write(shares)` writes cifar10h-probs.npy beside a small CIFAR-10, and describes it as published."""
    write_cifar10()

    def call(shares: np.ndarray, **options: Any) -> Path:
        path = tmp_path / "data" / "cifar10h" / "cifar10h-probs.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, shares, **options)
        small = dataclasses.replace(cifar10h.CIFAR10H, md5=md5(path.read_bytes()))
        monkeypatch.setattr(cifar10h, "CIFAR10H", small)
        return path

    return call


def test_answers_are_the_soft_labels_of_the_test_images(write, tmp_path: Path) -> None:
    write(answers())
    arrays = load_from(tmp_path / "data", cifar10h.cifar10h)
    np.testing.assert_array_equal(arrays.test_soft, answers())
    assert arrays.notes[0].startswith("classes in order: airplane, ")
    assert "the label of 100.00 %" in arrays.notes[2]
    with data_folder(tmp_path / "data"):
        assert load_data(resolve("ce", "cifar10h")).test_soft is not None


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        (answers(1), "people's most frequent answer is the label of"),
        (answers()[:-1], r"holds \[11, 10\] float64"),
        (np.eye(10, dtype=int)[[0] * ROWS], r"\[12, 10\] int64"),
        (np.array([{}] * ROWS, dtype=object), "could run code"),
    ],
)
def test_answers_of_another_form_or_order_are_refused(shares: np.ndarray, message: str, write, tmp_path: Path) -> None:
    write(shares, allow_pickle=True)
    with pytest.raises(InputError, match=message):
        load_from(tmp_path / "data", cifar10h.cifar10h)


def test_another_file_and_a_missing_one_are_refused(write, refused, tmp_path: Path) -> None:
    path = write(answers())
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    command = ("run", "-m", "ce", "-d", "cifar10h", "--data-dir", "data")
    refused(*command, says="not the published file: its md5 is", hint="fetch")
    path.unlink()
    error = refused(*command, says="there is no cifar10h-probs.npy", hint="--download")
    assert "https://github.com/jcpeterson/cifar-10h/raw/master/data/cifar10h-probs.npy" in error
