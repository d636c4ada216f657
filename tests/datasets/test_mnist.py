"""`mnist` and `fashion-mnist` from small idx files, written byte by byte."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_files import load_from, republish

from calibench import InputError
from calibench_datasets.sources import mnist

TRAIN, TEST = 300, 20  # 300 is 0x012C, another number if it is read little-endian


def command(name: str) -> tuple[object, ...]:
    options = ("--data-dir", ".", "--model", "cnn:width=4", "--epochs", 1, "--threads", 1, "--json")
    return ("run", "-m", "ce", "-d", name, *options)


def pixels(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, 28, 28), dtype=np.uint8)


def idx(array: np.ndarray, magic: bytes) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return magic + sizes + bytes(array.ravel().tolist())


def contents() -> dict[str, bytes]:
    return {
        "train-images-idx3-ubyte": idx(pixels(TRAIN, 0), b"\0\0\x08\x03"),
        "train-labels-idx1-ubyte": idx(np.arange(TRAIN) % 10, b"\0\0\x08\x01"),
        "t10k-images-idx3-ubyte": idx(pixels(TEST, 1), b"\0\0\x08\x03"),
        "t10k-labels-idx1-ubyte": idx(np.arange(TEST)[::-1] % 10, b"\0\0\x08\x01"),
    }


def describe(folder: Path, monkeypatch, name: str = "MNIST") -> None:
    """Describe the gzipped files in `folder` as the published ones of MNIST or FASHION_MNIST."""
    original = getattr(mnist, name)
    files = {
        split: tuple(republish(file, folder / file.name) if (folder / file.name).exists() else file for file in pair)
        for split, pair in original.files.items()
    }
    monkeypatch.setattr(mnist, name, dataclasses.replace(original, files=files, rows={"train": TRAIN, "test": TEST}))


@pytest.fixture
def write(tmp_path: Path, monkeypatch):
    """`write(change, gzipped, name)` writes the four files, with some contents changed, and describes them as published."""

    def call(change: dict[str, bytes] | None = None, gzipped: bool = True, name: str = "mnist") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for file, content in (contents() | (change or {})).items():
            path = folder / (f"{file}.gz" if gzipped else file)
            path.write_bytes(gzip.compress(content) if gzipped else content)
        describe(folder, monkeypatch, "MNIST" if name == "mnist" else "FASHION_MNIST")
        return tmp_path

    return call


@pytest.mark.parametrize("gzipped", [True, False])
@pytest.mark.parametrize(
    ("name", "load", "first"),
    [("mnist", mnist.mnist, "0, 1"), ("fashion-mnist", mnist.fashion_mnist, "T-shirt/top, Trouser")],
)
def test_images_labels_and_notes(gzipped: bool, name: str, load: Any, first: str, write) -> None:
    arrays = load_from(write(gzipped=gzipped, name=name), load)
    np.testing.assert_array_equal(arrays.x, pixels(TRAIN, 0))
    assert arrays.x.dtype == np.uint8
    np.testing.assert_array_equal(arrays.y, np.arange(TRAIN) % 10)
    np.testing.assert_array_equal(arrays.test[0], pixels(TEST, 1))
    assert arrays.test[1].tolist() == [i % 10 for i in reversed(range(TEST))]
    assert arrays.notes[0].startswith(f"classes in order: {first}")
    assert ("no published checksum" in arrays.notes[1]) is not gzipped
    assert ("MD5" in arrays.notes[1]) is gzipped


def test_a_plain_copy_is_read_only_from_the_set_s_own_folder(write) -> None:
    """mnist and fashion-mnist have files of the same names: without a checksum only the folder tells them apart."""
    root = write(gzipped=False)
    (root / "mnist").rename(root / "flat")
    with pytest.raises(InputError, match=r"there is no train-images-idx3-ubyte\.gz") as raised:
        load_from(root / "flat", mnist.mnist)
    assert "without .gz" in raised.value.hint


@pytest.mark.parametrize("gzipped", [True, False])
@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (
            "train-images-idx3-ubyte",
            lambda c: b"\0\0\x08\x01" + c[4:],
            "begins with 2049, 300, 28, 28, not 2051, 300, 28, 28",
        ),
        ("train-labels-idx1-ubyte", lambda c: c[3::-1] + c[4:], "not 2049, 300"),
        ("train-labels-idx1-ubyte", lambda c: c[:4] + c[7:3:-1] + c[8:], "begins with 2049, 738263040"),
        ("t10k-labels-idx1-ubyte", lambda c: c[:7] + b"\x15" + c[8:] + b"\0", "begins with 2049, 21, not 2049, 20"),
        ("t10k-images-idx3-ubyte", lambda c: c[:-1], "less than the 15680 bytes"),
        ("t10k-images-idx3-ubyte", lambda c: c + b"\0", "more than the 15680 bytes"),
        ("t10k-labels-idx1-ubyte", lambda c: c[:8] + b"\x0a" + c[9:], "holds the label 10"),
        ("t10k-images-idx3-ubyte", lambda c: c[:6], "begins with 2051, not"),
        ("t10k-images-idx3-ubyte", lambda c: b"", "begins with nothing"),
    ],
)
def test_files_of_another_form_are_refused(file: str, change: Any, message: str, gzipped: bool, write) -> None:
    with pytest.raises(InputError, match=message):
        load_from(write({file: change(contents()[file])}, gzipped), mnist.mnist)


@pytest.mark.parametrize("cut", [3, 9, 200, -9, -4, -1])
def test_a_truncated_gzip_is_refused_even_with_the_right_checksum(cut: int, write, tmp_path: Path, monkeypatch) -> None:
    path = write() / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:cut])
    describe(tmp_path / "mnist", monkeypatch)
    with pytest.raises(InputError, match="damaged or cut short"):
        load_from(tmp_path, mnist.mnist)


def test_another_file_and_a_missing_one_are_refused(write) -> None:
    root = write()
    path = root / "mnist" / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="not the published file"):
        load_from(root, mnist.mnist)
    path.unlink()
    with pytest.raises(InputError, match=r"there is no t10k-labels-idx1-ubyte\.gz"):
        load_from(root, mnist.mnist)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_a_run_leaves_the_files_unchanged(name: str, write, cli) -> None:
    folder = write(name=name) / name
    before = {path: path.read_bytes() for path in folder.iterdir()}
    ran = cli(*command(name))
    assert ran.code == 0, ran.err
    assert ran.document["n"]["test"] == TEST
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
