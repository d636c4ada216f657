"""Pickles are read without running them: as Python 2 wrote them, as Python 3 writes them, and hostile ones."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from python2_pickle import python2_pickle

from calibench import InputError
from calibench_datasets.readers.plain_pickle import read_plain_pickle


def images(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, 3072), dtype=np.uint8)


BATCH = {b"batch_label": b"batch", b"labels": [3, 1, 2], b"data": images(3, 1), b"filenames": [b"x.png"] * 3}


def test_pickles_of_python_2_are_read() -> None:
    raw = python2_pickle(BATCH)
    assert raw.startswith(b"\x80\x02}")
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in raw
    assert b"_codecs" not in raw
    loaded = pickle.loads(raw, encoding="bytes")  # as the authors' page tells readers to
    np.testing.assert_array_equal(loaded[b"data"], BATCH[b"data"])
    ours = read_plain_pickle(raw, "here")
    assert set(ours) == {"batch_label", "labels", "data", "filenames"}
    np.testing.assert_array_equal(ours["data"], BATCH[b"data"])


def test_pickles_of_python_3_are_read() -> None:
    batch = read_plain_pickle(pickle.dumps({"data": images(3, 0), "t": b"\xff"}, protocol=2), "here")
    np.testing.assert_array_equal(batch["data"], images(3, 0))
    assert batch["t"] == b"\xff"
    by_column = read_plain_pickle(pickle.dumps({"data": np.asfortranarray(images(3, 0))}, protocol=2), "here")
    np.testing.assert_array_equal(by_column["data"], images(3, 0))


@pytest.mark.parametrize("kind", ["<i8", ">i4", "<u2", "i1"])
def test_whole_numbers_of_every_size_are_read(kind: str) -> None:
    numbers = np.array([[-1, 300, 7]]).astype(kind)
    batch = read_plain_pickle(pickle.dumps({"n": numbers}, protocol=2), "here")
    np.testing.assert_array_equal(batch["n"], numbers)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps([1, 2], protocol=2), "not a dictionary"),
        (pickle.dumps({"data": np.zeros(3, dtype=object)}, protocol=2), "does not hold whole numbers"),
        (pickle.dumps({"data": np.zeros(3)}, protocol=2), "does not hold whole numbers"),
        (b"", "not a pickle of plain data"),
        (b"\x80\x02}q\x00(U\x04da", "not a pickle of plain data"),
        (b"\x80\x02P", "not a pickle of plain data"),
        (pickle.dumps({"data": images(2, 0)}, protocol=2).replace(b"M\x00\x0c", b"M\x01\x0c"), "of shape"),
    ],
)
def test_other_pickles_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_plain_pickle(content, "here")
