"""`.npz` files: which arrays a dataset takes, and which files are refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from toy_data import arrays

from calibench import InputError
from calibench.data.numpy_files import read_npy, read_npz
from calibench_datasets.sources.npz import npz


def test_npz_takes_pairs_by_name_and_refuses_anything_else(tmp_path: Path) -> None:
    source = arrays()
    file = tmp_path / "a.npz"
    np.savez(file, train_x=source.x, train_y=source.y, test_x=source.x[:3], test_y=source.y[:3])
    loaded = npz(str(file))
    np.testing.assert_array_equal(loaded.x, source.x)
    assert loaded.test is not None
    assert loaded.val is loaded.cal is loaded.head_weight is None
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


def test_npz_takes_the_names_of_classes(tmp_path: Path) -> None:
    arrays = {"train_x": np.zeros((2, 3)), "train_y": np.arange(2), "class_names": np.array(["well", "ill"])}
    file = tmp_path / "a.npz"
    np.savez(file, allow_pickle=False, **arrays)
    loaded = npz(str(file))
    assert loaded.class_names == ("well", "ill")
    assert loaded.notes == ("classes in order: well, ill",)


def test_read_npz_reads_the_named_arrays_that_are_there(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.ones(2))
    assert sorted(read_npz(tmp_path / "a.npz")) == ["x", "y"]
    assert list(read_npz(tmp_path / "a.npz", ("y", "z"))) == ["y"]


def test_read_npz_refuses_two_arrays_of_one_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("x.npy", b"")
    with pytest.raises(InputError, match=r"a\.npz: two arrays have one name"):
        read_npz(tmp_path / "a.npz")


def test_read_npy_refuses_pickles_and_files_that_are_cut_short_or_too_long(tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    np.save(file, np.arange(3.0))
    np.testing.assert_array_equal(read_npy(file), [0, 1, 2])
    content = file.read_bytes()
    for damaged, message in ((content[:-1], "not a sound"), (content + b"0", "more follows"), (b"PK", "not a sound")):
        file.write_bytes(damaged)
        with pytest.raises(InputError, match=message):
            read_npy(file)
    np.save(file, np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(InputError, match="could run code"):
        read_npy(file)


def test_texts_of_numbers_that_are_no_letters_are_refused(tmp_path):
    """Python ends such a text with a SystemError."""
    words = np.array(["cat", "dog"])
    words.view(np.uint32)[1] = 0x110000
    np.savez(tmp_path / "a.npz", labels=words, others=np.array(["", "x"], dtype=">U3"))
    with pytest.raises(InputError, match="array 'labels' holds texts of no letters"):
        read_npz(tmp_path / "a.npz")
    assert read_npz(tmp_path / "a.npz", ("others",))["others"].tolist() == ["", "x"]
