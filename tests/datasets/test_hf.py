"""`hf` from small folders and files: rows, splits, classes and notes; damaged and hostile files are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibench import InputError

pytest.importorskip("datasets", reason="the library datasets is not installed")
pytest.importorskip("PIL.Image", reason="Pillow is not installed")
pa = pytest.importorskip("pyarrow")

from hf_sets import NAMES, image_table, pixels, png, read, read_table, write_table  # noqa: E402

pytestmark = pytest.mark.usefixtures("offline_hub")

TEST_FILE = "data/test-00000-of-00001.parquet"


def test_rows_splits_channels_and_classes(hf_folder: Path) -> None:
    arrays = read(hf_folder)
    assert arrays.x.shape == (30, 3, 8, 8)
    assert arrays.x.dtype == np.uint8
    for row in (0, 14, 15, 29):
        np.testing.assert_array_equal(arrays.x[row], pixels(row).transpose(2, 0, 1))
    assert arrays.y.tolist() == [row % 2 for row in range(30)]
    np.testing.assert_array_equal(arrays.val[0][5], pixels(35).transpose(2, 0, 1))
    np.testing.assert_array_equal(arrays.test[0][0], pixels(36).transpose(2, 0, 1))
    assert arrays.cal is None
    assert arrays.notes[0] == "classes in order: zebra, ant"
    assert "val is 'validation'" in arrays.notes[2]
    grey = read(hf_folder, colour="grey", size=4)
    assert grey.x.shape == (30, 4, 4)
    assert "scaled to 4 x 4" in grey.notes[-1]


def test_other_splits_may_be_named_and_unused_ones_are_in_the_notes(hf_folder: Path) -> None:
    (hf_folder / TEST_FILE).rename(hf_folder / "data" / "extra-00000-of-00001.parquet")
    arrays = read(hf_folder)
    assert arrays.test is None
    assert "splits that were not used: extra" in arrays.notes
    arrays = read(hf_folder, test_split="validation", image="img", label="label")
    assert arrays.val is None
    np.testing.assert_array_equal(arrays.test[1], [0, 1] * 3)
    assert len(read(hf_folder, train_split="extra", val_split="train").x) == 8
    with pytest.raises(InputError, match="test_split=tset: there is no such split"):
        read(hf_folder, test_split="tset")
    with pytest.raises(InputError, match="the split 'extra' is used for two parts"):
        read(hf_folder, train_split="extra", cal_split="extra")


def test_two_candidates_for_val_need_val_split(hf_folder: Path) -> None:
    (hf_folder / TEST_FILE).rename(hf_folder / "data" / "dev-00000-of-00001.parquet")
    with pytest.raises(InputError, match="validation and dev could each be val") as raised:
        read(hf_folder)
    assert "val_split=NAME" in raised.value.hint
    assert len(read(hf_folder, val_split="dev").val[1]) == 8
    assert len(read(hf_folder, test_split="dev").val[1]) == 6


def test_one_parquet_file(hf_folder: Path) -> None:
    arrays = read(hf_folder / TEST_FILE)
    assert len(arrays.x) == 8
    assert arrays.test is None


@pytest.fixture
def write_embeddings(tmp_path: Path):
    """`write_embeddings(**change)` writes 40 rows of text, embeddings, ages and moods; returns embeddings and ages."""

    def call(**change: Any) -> tuple[np.ndarray, np.ndarray]:
        vectors = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
        columns = {
            "text": [f"sentence {i}" for i in range(40)],
            "embedding": pa.array(vectors.tolist(), pa.list_(pa.float32())),
            "age": np.arange(40),
            "mood": ["sad", "glad"] * 20,
        }
        write_table(pa.table(columns | change), tmp_path / "train.parquet")
        return vectors, columns["age"]

    return call


def test_columns_of_numbers_and_of_lists_are_features(write_embeddings, tmp_path: Path) -> None:
    vectors, ages = write_embeddings()
    arrays = read(tmp_path, features="embedding; age", label="mood")
    np.testing.assert_allclose(arrays.x, np.column_stack([vectors, ages]), rtol=1e-7)
    assert arrays.y.tolist() == [1, 0] * 20
    assert arrays.notes[0] == "classes in order: glad, sad"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"features": "text", "label": "mood"}, "column 'text' holds string"),
        ({"features": "embeding", "label": "mood"}, "there is no column 'embeding'"),
        ({"features": "age", "label": "age"}, "is the label and a feature"),
        ({"label": "mood"}, "no columns hold images"),
        ({"features": "age"}, "no columns hold classes"),
        ({"features": "age", "label": "embedding"}, "it holds lists of float32"),
        ({"image": "age", "label": "mood"}, "column 'age' holds int64, not images"),
        ({"image": "age", "features": "age"}, "are two inputs"),
    ],
)
def test_columns_of_another_type_are_refused(
    params: dict[str, str], message: str, write_embeddings, tmp_path: Path
) -> None:
    write_embeddings()
    with pytest.raises(InputError, match=message):
        read(tmp_path, **params)


def test_lists_of_two_lengths_and_missing_labels_are_refused(write_embeddings, tmp_path: Path) -> None:
    write_embeddings(embedding=pa.array([[1.0]] * 39 + [[1.0, 2.0]]))
    with pytest.raises(InputError, match="embedding: rows 0 to 39 have 1 to 2 numbers"):
        read(tmp_path, features="embedding", label="mood")
    write_embeddings(mood=["sad", None] * 20)
    with pytest.raises(InputError, match="row 1: mood is missing"):
        read(tmp_path, features="age", label="mood")


def write_readme(folder: Path, train_rows: int) -> None:
    rows = {"train": train_rows, "validation": 6, "test": 8}
    splits = "".join(f"  - name: {name}\n    num_examples: {n}\n" for name, n in rows.items())
    features = "  features:\n  - name: img\n    dtype: image\n  - name: label\n    dtype:\n      class_label:\n        names:\n"
    names = "".join(f"          '{k}': {name}\n" for k, name in enumerate(NAMES))
    (folder / "README.md").write_text(
        f"---\nlicense: mit\ndataset_info:\n{features}{names}  splits:\n{splits}---\n# A set\n"
    )


def test_the_readme_describes_files_without_metadata(hf_folder: Path) -> None:
    for path in (hf_folder / "data").iterdir():
        write_table(read_table(path).replace_schema_metadata(None), path)
    write_readme(hf_folder, 30)
    arrays = read(hf_folder)
    assert arrays.notes[0] == "classes in order: zebra, ant"
    assert "licence, as its card says: mit" in arrays.notes
    readme = (hf_folder / "README.md").read_text()
    (hf_folder / "README.md").write_text(readme.replace("license: mit", "license:\n- mit\n- cc-by-4.0"))
    assert "licence, as its card says: mit, cc-by-4.0" in read(hf_folder).notes
    write_readme(hf_folder, 31)
    with pytest.raises(InputError, match="split 'train' has 30 rows, and 31 as its README says"):
        read(hf_folder)


def test_one_of_several_configurations_must_be_named(hf_folder: Path) -> None:
    text = "".join(
        f"- config_name: {name}\n  data_files:\n  - split: train\n    path: data/{name}-*\n"
        for name in ("validation", "test")
    )
    (hf_folder / "README.md").write_text(f"---\nconfigs:\n{text}---\n")
    assert len(read(hf_folder, config="test").x) == 8
    with pytest.raises(InputError, match="validation"):
        read(hf_folder)
    with pytest.raises(InputError, match=r"cannot be read: .*'tset'"):
        read(hf_folder, config="tset")


def cut(path: Path, end: int) -> None:
    path.write_bytes(path.read_bytes()[:end])


def flip_bytes(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for position in range(100, 1200):
        content[position] ^= 0xFF
    path.write_bytes(content)


def rewrite_test(folder: Path, labels: list[int], cell: Any = "unchanged", row: int = 0) -> None:
    """Write the test file with other labels, and with another image in one row."""
    table = image_table(range(36, 44))
    cells = table["img"].to_pylist()
    if cell != "unchanged":
        cells[row] = cell
    columns = {"img": pa.array(cells, table["img"].type), "label": pa.array(labels, pa.int64())}
    write_table(pa.table(columns).replace_schema_metadata(table.schema.metadata), folder / TEST_FILE)


def image_file(path: str) -> dict[str, Any]:
    return {"bytes": None, "path": path}


MISSING_FILE = "'train' is cut short: file 00001 of 2 is missing"
OUTSIDE = "nor a file of this folder"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / "data/train-00001-of-00002.parquet").unlink(), MISSING_FILE),
        (lambda f: cut(f / TEST_FILE, -20), "cannot be read"),
        (lambda f: cut(f / TEST_FILE, 0), "cannot be read"),
        (lambda f: flip_bytes(f / "data/train-00000-of-00002.parquet"), "train"),
        (lambda f: [p.unlink() for p in (f / "data").iterdir()], "cannot be read"),
        (lambda f: rewrite_test(f, [-1] * 8), "8 labels are not classes; the first is -1 in row 0"),
        (lambda f: rewrite_test(f, [0] * 7 + [2]), "1 labels are not classes; the first is 2 in row 7"),
        (lambda f: rewrite_test(f, [0] * 8, image_file("/etc/passwd")), OUTSIDE),
        (lambda f: rewrite_test(f, [0] * 8, image_file("../../secret.png")), OUTSIDE),
        (lambda f: rewrite_test(f, [0] * 8, image_file("http://127.0.0.1/x.png")), OUTSIDE),
        (lambda f: rewrite_test(f, [0] * 8, {"bytes": b"GIF89a", "path": None}), "img, row 0: not an image"),
        (
            lambda f: rewrite_test(f, [0] * 8, {"bytes": png(pixels(0, 9)), "path": None}, row=7),
            "img, row 7: it has 9 x 9 pixels",
        ),
        (lambda f: rewrite_test(f, [0] * 8, None), "row 0: img is missing"),
    ],
)
def test_damaged_hostile_and_unlabelled_files_are_refused(harm: Any, message: str, hf_folder: Path) -> None:
    harm(hf_folder)
    before = sorted(hf_folder.parent.rglob("*"))
    with pytest.raises(InputError, match=message):
        read(hf_folder)
    assert sorted(hf_folder.parent.rglob("*")) == before
