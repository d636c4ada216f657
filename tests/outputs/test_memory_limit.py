"""A file that would fill memory is refused by the size that its headers state, with both sizes and the way to raise the limit."""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from calibench.errors import InputError
from calibench.files.memory_limit import in_bytes, memory_limit, read_size, within_memory
from calibench.outputs.columns import Columns
from calibench.outputs.readers import read_samples

LABELS = np.zeros(100, dtype=np.int64)


@pytest.fixture(autouse=True)
def limit(monkeypatch):
    monkeypatch.setenv("CALIBENCH_MAX_MEMORY", "64MB")


def peak():
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def npy_bytes(claimed, content):
    """A `.npy` whose header claims a shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": claimed})
    return file.getvalue() + content


def bomb(ending, path):
    """A small file that claims, or grows to, 400 MB and more."""
    if ending == "npz":
        np.savez_compressed(path, probs=np.zeros((100_000, 100)), labels=LABELS)
    elif ending == "lying.npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("probs.npy", npy_bytes((10**9, 100), bytes(800)))
    elif ending == "logits.npy":
        path.write_bytes(npy_bytes((10**8, 10), b""))
        os.truncate(path, path.stat().st_size + 8 * 10**9)
    elif ending == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        same = pyarrow.array(np.zeros(5_000_000))
        parquet.write_table(pyarrow.table({"a": same, "b": same, "label": same}), path, row_group_size=5_000_000)
    elif ending == "text.parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        words = pyarrow.array(["x" * 100_000] * 1_000).dictionary_encode()
        parquet.write_table(pyarrow.table({"a": words}).cast(pyarrow.schema({"a": pyarrow.string()})), path)
    elif ending == "feather":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import feather

        zeros = pyarrow.array(np.zeros(9_000_000))
        feather.write_feather(
            pyarrow.table({"probs": zeros, "label": zeros}), path, compression="zstd", chunksize=1 << 30
        )
    elif ending in ("pt", "repeated.pt"):
        torch = pytest.importorskip("torch")
        one = torch.zeros(1).expand(300_000_000, 4) if ending == "repeated.pt" else torch.zeros(200_000, 100)
        torch.save({"probs": one, "labels": torch.zeros(5)}, path)
    elif ending == "h5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            file.create_dataset("probs", (10**9, 100), chunks=True, compression="gzip")
            file["labels"] = LABELS
    elif ending == "safetensors":
        tensors = {
            name: {"dtype": "F64", "shape": [1_000_000], "data_offsets": [0, 8_000_000]} for name in "abcdefghij"
        }
        header = json.dumps(tensors).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8_000_000))
    elif ending == "json":
        path.write_text(json.dumps({"probs": [[]] * 800_000}))
    else:
        path.write_text("a,b,label\n" + "1,0,0\n" * 400_000)


ENDINGS = [
    "npz",
    "logits.npy",
    "parquet",
    "text.parquet",
    "feather",
    "pt",
    "repeated.pt",
    "h5",
    "safetensors",
    "json",
    "csv",
]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_bomb_is_refused_before_it_goes_off(ending, tmp_path):
    file = tmp_path / f"a.{ending}" if "." not in ending else tmp_path / f"a_{ending}"
    bomb(ending, file)
    before = peak()
    with pytest.raises(InputError, match=r"64 MB|64\.\d MB") as refused:
        read_samples(file, Columns(label=None))
    assert str(file) in refused.value.message
    assert "CALIBENCH_MAX_MEMORY=" in refused.value.hint
    assert peak() - before < 300e6, "most of it was not read"


def test_a_header_that_claims_more_than_the_file_has_is_refused(tmp_path):
    bomb("lying.npz", tmp_path / "a.npz")
    with pytest.raises(
        InputError, match=r"cannot read array 'probs' \(its header claims 800000000000 bytes, and the file has"
    ):
        read_samples(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("text", "size"), [("8GB", 8e9), ("500 MiB", 500 * 2**20), ("1.5g", 1.5e9), ("1000000", 1e6), ("2 kB", 2e3)]
)
def test_sizes_are_read_with_their_units(text, size):
    assert read_size(text, "--max-memory") == size


@pytest.mark.parametrize("text", ["", "8", "GB", "-1GB", "0", "nan", "1e9", "8 XB", "9" * 30, "1GB\n1"][2:])
def test_no_size_is_refused(text):
    with pytest.raises(InputError, match="is no size"):
        read_size(text, "--max-memory")


def test_sizes_are_shown_in_their_unit():
    assert [in_bytes(size) for size in (0, 999, 1e3, 6.81e9, 2e12)] == [
        "0 bytes",
        "999 bytes",
        "1 kB",
        "6.81 GB",
        "2 TB",
    ]


def test_the_variable_is_the_limit_and_a_wrong_one_is_refused(monkeypatch):
    assert memory_limit() == 64e6
    monkeypatch.setenv("CALIBENCH_MAX_MEMORY", "much")
    with pytest.raises(InputError, match="CALIBENCH_MAX_MEMORY: 'much' is no size"):
        memory_limit()
    monkeypatch.delenv("CALIBENCH_MAX_MEMORY")
    assert memory_limit() > 1e6


def test_the_system_s_own_limit_is_put_back(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(InputError, match="takes over 64 MB of memory, which is the limit"), within_memory("a.x"):
        np.ones(1_000_000_000)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert np.ones(100_000_000, dtype=np.int8).sum() == 100_000_000
    assert Path("/proc").exists()
