"""A file that does not fit into memory is refused before it is read, in the words of `--stream`."""

from __future__ import annotations

import numpy as np
import pytest

from calibench.errors import InputError
from calibench.files import available_memory
from calibench.outputs.readers import Columns, open_blocks, read_outputs


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """`machine(available_kb, limit, used, cached)` stands for /proc/meminfo and a container."""

    def tell(available_kb=None, limit="max", used=0, cached=0):
        meminfo = tmp_path / "meminfo"
        meminfo.write_text("MemTotal: 9 kB\n" + (f"MemAvailable:  {available_kb} kB\n" if available_kb else ""))
        files = tuple(tmp_path / name for name in ("max", "current", "stat"))
        for file, text in zip(files, (limit, used, f"anon 7\ninactive_file {cached}"), strict=True):
            file.write_text(f"{text}\n")
        monkeypatch.setattr(available_memory, "MEMINFO", meminfo)
        monkeypatch.setattr(available_memory, "CGROUPS", (files, (tmp_path / "no", tmp_path / "no", tmp_path / "no")))

    return tell


def test_the_least_of_machine_and_container_counts(machine):
    machine(available_kb=10)
    assert available_memory.available_memory() == 10240
    machine(available_kb=10, limit=9000, used=8000, cached=500)
    assert available_memory.available_memory() == 1500
    machine(available_kb=1, limit=9000)
    assert available_memory.available_memory() == 1024
    machine(limit=100, used=200)
    assert available_memory.available_memory() == 0
    machine()
    assert available_memory.available_memory() is None


def test_this_system_tells_something_plausible():
    available = available_memory.available_memory()
    assert available is None or available > 1 << 20


@pytest.mark.parametrize("kind", ["npz", "npy", "parquet", "safetensors"])
def test_scores_larger_than_memory_are_refused(kind, machine, samples, tmp_path, monkeypatch):
    scores, labels = samples(1000, 4)
    np.savez(tmp_path / "a.npz", logits=scores, labels=labels)
    file, columns = tmp_path / f"logits.{kind}", Columns()
    if kind == "npz":
        np.savez_compressed(file, logits=np.zeros((1000, 4), np.float32), labels=labels)
    elif kind == "npy":
        np.save(file, scores)
        np.save(tmp_path / "y.npy", labels)
        columns = Columns(label=str(tmp_path / "y.npy"))
    elif kind == "safetensors":
        from safetensors.numpy import save_file

        save_file({"logits": scores, "labels": labels}, file)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = Columns(logits="a,b,c,d")
        pq.write_table(pa.table({**dict(zip("abcd", scores.T, strict=True)), "label": labels}), file)
    size = 32_000 if kind == "parquet" else 16_000  # a table becomes float64
    assert open_blocks(file, columns).score_bytes == size
    machine(available_kb=200)
    read_outputs(file, columns)
    machine(available_kb=2 * size // 1024)
    with pytest.raises(
        InputError, match=r"the array of its scores takes .* of memory, and .* may be taken \(half of"
    ) as error:
        read_outputs(file, columns)
    assert "--stream" in error.value.hint
    monkeypatch.setenv("CALIBENCH_MAX_MEMORY", "1MB")
    read_outputs(file, columns)
