"""`parquet`: a table from a Parquet file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from calibench import InputError, run
from calibench_datasets.sources.csv import csv
from calibench_datasets.sources.parquet import parquet

pa = pytest.importorskip("pyarrow")
files = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def write(tmp_path: Path):
    def call(columns: dict) -> str:
        files.write_table(pa.table(columns), tmp_path / "t.parquet")
        return str(tmp_path / "t.parquet")

    return call


def test_a_parquet_file_gives_the_arrays_of_the_same_csv_file(write, tmp_path: Path) -> None:
    columns = {
        "a": pa.array([1.5, -2.25, 1 / 3, 1e-30]),
        "n": pa.array([1, 2, 2**40, -4], pa.int64()),
        "f": pa.array(np.float32([0.1, 0.2, 0.3, 0.4])),
        "colour": pa.array(["red", "blue", "red", "green"]).dictionary_encode(),
        "on": pa.array([True, False, True, True]),
        "y": ["dog", "cat", "dog", "cow"],
    }
    path = write(columns)
    rows = zip(
        *(column.to_pylist() if hasattr(column, "to_pylist") else column for column in columns.values()), strict=True
    )
    text = "\n".join(
        [",".join(columns), *(",".join(repr(v) if isinstance(v, float) else str(v) for v in r) for r in rows)]
    )
    (tmp_path / "t.csv").write_text(text)
    arrays, from_csv = parquet(path, "y", None, "refuse"), csv(str(tmp_path / "t.csv"), "y", None, "refuse")
    np.testing.assert_array_equal(arrays.x, from_csv.x)
    np.testing.assert_array_equal(arrays.y, from_csv.y)
    np.testing.assert_array_equal(arrays.y, [2, 0, 2, 1])
    assert arrays.notes == from_csv.notes
    assert arrays.x.shape == (4, 3 + 3 + 2)


def test_numbers_of_a_categorical_column_are_one_hot(write) -> None:
    path = write({"code": [10, 30, 10, 20], "a": [0.5, 1.0, 2.0, 3.0], "y": [0, 1, 0, 1]})
    assert parquet(path, "y", None, "refuse").x[:, 0].tolist() == [10, 30, 10, 20]
    arrays = parquet(path, "y", None, "refuse", "code")
    np.testing.assert_array_equal(arrays.x, np.float32([[1, 0, 0, 0.5], [0, 0, 1, 1], [1, 0, 0, 2], [0, 1, 0, 3]]))
    with pytest.raises(InputError, match="categorical=cod: the column is not there") as raised:
        parquet(path, "y", None, "refuse", "cod")
    assert "did you mean 'code'?" in raised.value.hint
    with pytest.raises(InputError, match="categorical=a: the column is dropped"):
        parquet(path, "y", "a", "refuse", "a")
    with pytest.raises(InputError, match="categorical=y: the column is the label"):
        parquet(path, "a;y", None, "refuse", "y")


def test_missing_cells_are_refused_or_become_a_feature(write) -> None:
    path = write({"a": pa.array([1.0, None, math.nan, 4.0]), "w": ["x", None, "y", "x"], "y": [0, 1, 0, 1]})
    with pytest.raises(InputError, match="column 'a': 2 of 4 cells are missing, the first in row 2"):
        parquet(path, "y", None, "refuse")
    arrays = parquet(path, "y", None, "indicate")
    np.testing.assert_array_equal(arrays.x[:, :2], [[1, 0], [0, 1], [0, 1], [4, 0]])
    assert arrays.x.shape == (4, 2 + 3)  # an empty cell is a value of its own among words


def test_files_that_are_not_tables_are_refused(write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="column 'a' holds list"):
        parquet(write({"a": [[1.0], [2.0]], "y": [0, 1]}), "y", None, "refuse")
    with pytest.raises(InputError, match="column 'b' holds binary"):
        parquet(write({"b": [b"x", b"y"], "y": [0, 1]}), "y", None, "refuse")
    with pytest.raises(InputError, match="there are no rows"):
        parquet(write({"a": pa.array([], pa.float64()), "y": pa.array([], pa.int64())}), "y", None, "refuse")
    with pytest.raises(InputError, match="there is no column 'z'"):
        parquet(write({"a": [1.0], "y": [0]}), "z", None, "refuse")
    whole = Path(write({"a": [1.0] * 100, "y": [0, 1] * 50})).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot read"):
        parquet(str(tmp_path / "cut.parquet"), "y", None, "refuse")
    with pytest.raises(InputError, match=r"no\.parquet"):
        parquet(str(tmp_path / "no.parquet"), "y", None, "refuse")


def test_a_run_on_a_parquet_file(write) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    path = write({**{f"f{i}": x[:, i] for i in range(3)}, "y": np.where(x[:, 0] + x[:, 1] > 0, "up", "down")})
    record = run(
        "ce", f"parquet:path={path},label=y", model="mlp:hidden=16", epochs=20, settings=["ce.lr=0.01"], results=None
    )
    assert record.metrics["accuracy"] > 0.85
    assert record.data["notes"] == ["classes of 'y' in order: down, up"]
