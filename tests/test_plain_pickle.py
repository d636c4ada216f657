"""Reading pickles without running them: as Python 2 wrote them, as Python 3 does, and those that are no plain data."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from python2_pickle import python2

from calibench import InputError
from calibench_datasets.sources.plain_pickle import read_plain_pickle


def images(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, 3072), dtype=np.uint8)


BATCH = {b"batch_label": b"batch", b"labels": [3, 1, 2], b"data": images(3, 1), b"filenames": [b"x.png"] * 3}


def test_the_pickles_are_as_python_2_wrote_them() -> None:
    raw = python2(BATCH)
    assert raw.startswith(b"\x80\x02}")
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in raw
    assert b"_codecs" not in raw
    loaded = pickle.loads(raw, encoding="bytes")  # as the authors' page tells readers to
    np.testing.assert_array_equal(loaded[b"data"], BATCH[b"data"])
    ours = read_plain_pickle(raw, "here")
    assert set(ours) == {"batch_label", "labels", "data", "filenames"}
    np.testing.assert_array_equal(ours["data"], BATCH[b"data"])
    again = read_plain_pickle(pickle.dumps({"data": images(3, 0), "t": b"\xff"}, protocol=2), "rewritten by Python 3")
    np.testing.assert_array_equal(again["data"], images(3, 0))
    assert again["t"] == b"\xff"
    for kind in ("<i8", ">i4", "<u2", "i1"):
        numbers = np.array([[-1, 300, 7]]).astype(kind)
        found = read_plain_pickle(pickle.dumps({"n": numbers}, protocol=2), "whole numbers")["n"]
        np.testing.assert_array_equal(found, numbers)
    columns = read_plain_pickle(pickle.dumps({"data": np.asfortranarray(images(3, 0))}, protocol=2), "by column")
    np.testing.assert_array_equal(columns["data"], images(3, 0))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (pickle.dumps([1, 2], protocol=2), "not a dictionary"),
        (pickle.dumps({"data": np.zeros(3, dtype=object)}, protocol=2), "something else than whole numbers"),
        (pickle.dumps({"data": np.zeros(3)}, protocol=2), "something else than whole numbers"),
        (b"", "not a pickle of plain data"),
        (b"\x80\x02}q\x00(U\x04da", "not a pickle of plain data"),
        (b"\x80\x02P", "not a pickle of plain data"),
        (pickle.dumps({"data": images(2, 0)}, protocol=2).replace(b"M\x00\x0c", b"M\x01\x0c"), "of shape"),
    ],
)
def test_other_pickles_are_refused(content: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_plain_pickle(content, "here")
