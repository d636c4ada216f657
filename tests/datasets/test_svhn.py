"""`svhn` from small MATLAB files that scipy writes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_files import load_from, republish
from scipy.io import savemat

from calibench import InputError
from calibench_datasets.sources import svhn

RUN = (
    "run",
    "-m",
    "ce",
    "-d",
    "svhn",
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


def mat_arrays(rows: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "X": rng.integers(0, 256, (32, 32, 3, rows), dtype=np.uint8),
        "y": (np.arange(rows) % 10 + 1).astype(np.uint8)[:, None],
    }


@pytest.fixture
def write(tmp_path: Path, monkeypatch):
    """`write(cut, **change)` writes both files, changes arrays of or cuts the training one, and describes them as published."""

    def call(cut: int | None = None, **change: Any) -> Path:
        folder = tmp_path / "svhn"
        folder.mkdir()
        savemat(folder / "train_32x32.mat", mat_arrays(40, 0) | change, do_compression=True)
        savemat(folder / "test_32x32.mat", mat_arrays(15, 1), do_compression=True)
        train = folder / "train_32x32.mat"
        train.write_bytes(train.read_bytes()[:cut])
        files = {name: republish(getattr(svhn.SVHN, name), folder / f"{name}_32x32.mat") for name in ("train", "test")}
        monkeypatch.setattr(svhn, "SVHN", dataclasses.replace(svhn.SVHN, rows=(40, 15), **files))
        return tmp_path

    return call


def test_images_are_channels_first_and_digit_10_is_0(write) -> None:
    arrays = load_from(write(), svhn.svhn)
    images = mat_arrays(40, 0)["X"]
    assert arrays.x.shape == (40, 3, 32, 32)
    assert arrays.x.dtype == np.uint8
    for image, colour, row, column in [(0, 0, 0, 0), (7, 1, 3, 30), (39, 2, 31, 5)]:
        assert arrays.x[image, colour, row, column] == images[row, column, colour, image]
    assert arrays.y[:12].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]
    assert arrays.test[0].shape == (15, 3, 32, 32)
    assert arrays.notes[0].endswith("0, 1, 2, 3, 4, 5, 6, 7, 8, 9")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": mat_arrays(39, 0)["X"]}, r"X is \[32, 32, 3, 39\] uint8, not \[32, 32, 3, 40\]"),
        ({"X": mat_arrays(40, 0)["X"].astype(float)}, "float64, not"),
        ({"y": mat_arrays(40, 0)["y"] - 1}, r"y is \[40, 1\] uint8, not \[40, 1\] whole numbers 1 .. 10"),
        ({"y": mat_arrays(40, 0)["y"].astype(float)}, "y is .* float64"),
        ({"y": mat_arrays(40, 0)["y"][:39]}, r"y is \[39, 1\]"),
        ({"y": np.array([{"a": 1}] * 40, dtype=object)[:, None]}, "y is"),
        ({"cut": 200}, "cannot be read as a MATLAB 5 file"),
        ({"cut": -1000}, "cannot be read as a MATLAB 5 file"),
        ({"cut": 5}, "cannot be read as a MATLAB 5 file"),
    ],
)
def test_files_of_another_form_are_refused(change: dict[str, Any], message: str, write) -> None:
    with pytest.raises(InputError, match=message):
        load_from(write(**change), svhn.svhn)


def test_a_run_needs_both_published_files(write, cli, refused, tmp_path: Path) -> None:
    write()
    ran = cli(*RUN)
    assert ran.code == 0, ran.err
    assert ran.document["n"]["test"] == 15
    path = tmp_path / "svhn" / "test_32x32.mat"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    refused(*RUN, says="not the published file: its md5 is", hint="fetch")
    path.unlink()
    refused(*RUN, says="there is no test_32x32.mat", hint="--download")
