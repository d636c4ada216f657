"""`mnist`, `fashion-mnist` and `svhn` from small files in the published formats, written byte by byte or by scipy."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from calibench import InputError
from calibench.data.folder import using_data_folder
from calibench.data.published import PublishedFile
from calibench_datasets.sources import mnist, svhn

TRAIN, TEST = 300, 20  # 300 is 0x012C: read little-endian it would be another number


def ask(name: str) -> tuple[object, ...]:
    return (
        "run",
        "-m",
        "ce",
        "-d",
        name,
        "--data-dir",
        ".",
        "--model",
        "cnn:width=4",
        "--epochs",
        1,
        "--threads",
        1,
        "--json",
    )


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


def described(known: PublishedFile, path: Path) -> PublishedFile:
    content = path.read_bytes() if path.is_file() else b""
    return dataclasses.replace(known, size=len(content), md5=hashlib.md5(content).hexdigest())


def describe(folder: Path, monkeypatch, which: str = "MNIST") -> None:
    known = getattr(mnist, which)
    files = {split: tuple(described(f, folder / f.name) for f in pair) for split, pair in known.files.items()}
    small = dataclasses.replace(known, files=files, rows={"train": TRAIN, "test": TEST})
    monkeypatch.setattr(mnist, which, small)


def read(folder: Path, load: Any):
    with using_data_folder(folder, False, lambda *words: None):
        return load()


@pytest.fixture
def write(tmp_path: Path, monkeypatch):
    """`write(change, zipped)` writes the four files, with some contents changed, and describes them as published."""

    def written(change: dict[str, bytes] | None = None, zipped: bool = True, name: str = "mnist") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for file, content in (contents() | (change or {})).items():
            path = folder / (f"{file}.gz" if zipped else file)
            path.write_bytes(gzip.compress(content) if zipped else content)
        describe(folder, monkeypatch, "MNIST" if name == "mnist" else "FASHION_MNIST")
        return tmp_path

    return written


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("name", "load", "first"),
    [("mnist", mnist.mnist, "0, 1"), ("fashion-mnist", mnist.fashion_mnist, "T-shirt/top, Trouser")],
)
def test_rows_labels_and_notes(zipped: bool, name: str, load: Any, first: str, write) -> None:
    arrays = read(write(zipped=zipped, name=name), load)
    np.testing.assert_array_equal(arrays.x, pixels(TRAIN, 0))
    assert arrays.x.dtype == np.uint8
    np.testing.assert_array_equal(arrays.y, np.arange(TRAIN) % 10)
    np.testing.assert_array_equal(arrays.test[0], pixels(TEST, 1))
    assert arrays.test[1].tolist() == [i % 10 for i in reversed(range(TEST))]
    assert arrays.notes[0].startswith(f"classes in order: {first}")
    assert ("no published checksum" in arrays.notes[1]) is not zipped
    assert ("MD5" in arrays.notes[1]) is zipped


def test_a_plain_copy_counts_only_in_the_set_s_own_folder(write, tmp_path: Path) -> None:
    """mnist and fashion-mnist have files of the same names: without a checksum only the folder tells them apart."""
    root = write(zipped=False)
    (root / "mnist").rename(root / "flat")
    with pytest.raises(InputError, match=r"there is no train-images-idx3-ubyte\.gz") as raised:
        read(root / "flat", mnist.mnist)
    assert "without .gz" in raised.value.hint


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("file", "change", "says"),
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
def test_another_form_is_refused(file: str, change: Any, says: str, zipped: bool, write) -> None:
    with pytest.raises(InputError, match=says):
        read(write({file: change(contents()[file])}, zipped), mnist.mnist)


@pytest.mark.parametrize("cut", [3, 9, 200, -9, -4, -1])
def test_a_truncated_gzip_is_refused_even_if_its_checksum_were_right(
    cut: int, write, tmp_path: Path, monkeypatch
) -> None:
    path = write() / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:cut])
    describe(tmp_path / "mnist", monkeypatch)
    with pytest.raises(InputError, match="damaged or cut short"):
        read(tmp_path, mnist.mnist)


def test_another_file_is_refused(write, tmp_path: Path) -> None:
    root = write()
    path = root / "mnist" / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="not the published file"):
        read(root, mnist.mnist)
    path.unlink()
    with pytest.raises(InputError, match=r"there is no t10k-labels-idx1-ubyte\.gz"):
        read(root, mnist.mnist)


def house(rows: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "X": rng.integers(0, 256, (32, 32, 3, rows), dtype=np.uint8),
        "y": (np.arange(rows) % 10 + 1).astype(np.uint8)[:, None],
    }


@pytest.fixture
def mat(tmp_path: Path, monkeypatch):
    """`mat(**change)` writes both files, the training one with some arrays changed, and describes them as published."""

    def written(cut: int | None = None, **change: Any) -> Path:
        folder = tmp_path / "svhn"
        folder.mkdir()
        savemat(folder / "train_32x32.mat", house(40, 0) | change, do_compression=True)
        savemat(folder / "test_32x32.mat", house(15, 1), do_compression=True)
        train = folder / "train_32x32.mat"
        train.write_bytes(train.read_bytes()[:cut])
        files = {name: described(getattr(svhn.SVHN, name), folder / f"{name}_32x32.mat") for name in ("train", "test")}
        monkeypatch.setattr(svhn, "SVHN", dataclasses.replace(svhn.SVHN, rows=(40, 15), **files))
        return tmp_path

    return written


def test_svhn_pixels_and_the_digit_zero(mat) -> None:
    arrays = read(mat(), svhn.svhn)
    given = house(40, 0)["X"]
    assert arrays.x.shape == (40, 3, 32, 32)
    assert arrays.x.dtype == np.uint8
    for image, colour, row, column in [(0, 0, 0, 0), (7, 1, 3, 30), (39, 2, 31, 5)]:
        assert arrays.x[image, colour, row, column] == given[row, column, colour, image]
    assert arrays.y[:12].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]
    assert arrays.test[0].shape == (15, 3, 32, 32)
    assert arrays.notes[0].endswith("0, 1, 2, 3, 4, 5, 6, 7, 8, 9")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"X": house(39, 0)["X"]}, r"X is \[32, 32, 3, 39\] uint8, not \[32, 32, 3, 40\]"),
        ({"X": house(40, 0)["X"].astype(float)}, "float64, not"),
        ({"y": house(40, 0)["y"] - 1}, r"y is \[40, 1\] uint8, not \[40, 1\] whole numbers 1 .. 10"),
        ({"y": house(40, 0)["y"].astype(float)}, "y is .* float64"),
        ({"y": house(40, 0)["y"][:39]}, r"y is \[39, 1\]"),
        ({"y": np.array([{"a": 1}] * 40, dtype=object)[:, None]}, "y is"),
        ({"cut": 200}, "cannot be read as a MATLAB 5 file"),
        ({"cut": -1000}, "cannot be read as a MATLAB 5 file"),
        ({"cut": 5}, "cannot be read as a MATLAB 5 file"),
    ],
)
def test_svhn_of_another_form_is_refused(change: dict[str, Any], says: str, mat) -> None:
    with pytest.raises(InputError, match=says):
        read(mat(**change), svhn.svhn)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_mnist_from_the_command_line(name: str, write, cli, tmp_path: Path) -> None:
    folder = write(name=name) / name
    before = {path: path.read_bytes() for path in folder.iterdir()}
    ran = cli(*ask(name))
    assert ran.code == 0, ran.err
    assert ran.document["n"]["test"] == TEST
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_svhn_from_the_command_line(mat, cli, refused, tmp_path: Path) -> None:
    mat()
    ran = cli(*ask("svhn"))
    assert ran.code == 0, ran.err
    assert ran.document["n"]["test"] == 15
    path = tmp_path / "svhn" / "test_32x32.mat"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refused(*ask("svhn"), says="not the published file: its md5 is", hint="fetch")
    path.unlink()
    refused(*ask("svhn"), says="there is no test_32x32.mat", hint="--download")
