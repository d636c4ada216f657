"""`csv`: numbers, words and labels of a table, and errors that name the cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calibench import InputError, run
from calibench_datasets.readers.cells import MOST_CATEGORIES
from calibench_datasets.sources.csv import csv


@pytest.fixture
def write(tmp_path: Path):
    def call(text: str | bytes) -> str:
        file = tmp_path / "t.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(file)

    return call


def read(path: str, label: str = "y", drop: str | None = None, missing: str = "refuse"):
    return csv(path, label, drop, missing)


def test_numbers_are_features_and_words_are_one_hot(write) -> None:
    arrays = read(write("a,colour,y\n1.5,red,dog\n-2,blue,cat\n3e2,red,cow\n"))
    np.testing.assert_array_equal(arrays.x, np.array([[1.5, 0, 1], [-2, 1, 0], [300, 0, 1]], dtype=np.float32))
    np.testing.assert_array_equal(arrays.y, [2, 0, 1])
    assert arrays.x.dtype == np.float32
    assert arrays.notes == ("classes of 'y' in order: cat, cow, dog",)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_delimiters_line_ends_quotes_and_byte_order_marks_are_read(delimiter: str, newline: str, write) -> None:
    rows = [["a", '"b, c; d"', "y"], ["1", '"x, ""y"""', "0"], ["2", "z", "1"], []]
    text = "\ufeff" + newline.join(delimiter.join(row) for row in rows)
    arrays = read(write(text))
    np.testing.assert_array_equal(arrays.x, [[1, 1, 0], [2, 0, 1]])
    np.testing.assert_array_equal(arrays.y, [0, 1])


def test_numbers_in_python_s_own_notation_are_words(write) -> None:
    arrays = read(write("code,size,y\n1_0,1e1,0\n2_0,0x10,1\n1_0,+.5,1\n"))
    np.testing.assert_array_equal(arrays.x, [[1, 0, 0, 0, 1], [0, 1, 0, 1, 0], [1, 0, 1, 0, 0]])


def test_classes_are_the_label_s_values_in_order_even_with_gaps(write) -> None:
    arrays = read(write("a,y\n1,10\n2,9\n3,-1\n4,10\n"))
    np.testing.assert_array_equal(arrays.y, [2, 1, 0, 2])
    assert arrays.notes == ("classes of 'y' in order: -1, 9, 10",)


@pytest.mark.parametrize("empty", ["", "?", "NA", "NaN", "null", " "])
def test_missing_cells_are_refused_or_become_a_feature(empty: str, write) -> None:
    file = write(f"a,b,y\n1,u,0\n{empty},v,1\n3,{empty},0\n")
    with pytest.raises(InputError, match=r"column 'a': 1 of 3 cells are missing, the first in row 2") as raised:
        read(file)
    assert "missing=indicate" in raised.value.hint
    assert "drop=a" in raised.value.hint
    arrays = read(file, missing="indicate")
    np.testing.assert_array_equal(arrays.x, [[1, 0, 0, 1, 0], [0, 1, 0, 0, 1], [3, 0, 1, 0, 0]])


def test_dropped_columns_are_left_out(write) -> None:
    file = write("id,a,y\nq,1,0\nr,2,1\n")
    assert read(file, drop="id").x.shape == (2, 1)
    with pytest.raises(InputError, match="drop=i: the column is not there") as raised:
        read(file, drop="i")
    assert "id" in raised.value.hint
    with pytest.raises(InputError, match="drop=y: the column is the label"):
        read(file, drop="y")
    with pytest.raises(InputError, match="no column besides the label"):
        read(file, drop="id; a")
    with pytest.raises(InputError, match="the column 'a' is named twice"):
        read(file, drop="a;a")


def test_a_dropped_column_is_not_checked(write) -> None:
    file = write('id,price,a,y\nq,"1,5",1,0\nr,"2,5",2,1\n')
    assert read(file, drop="id; price").x.shape == (2, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has 0 lines"),
        ("a,y\n", "it has 1 lines"),
        ("a,a,y\n1,2,0\n3,4,1\n", "two columns are called 'a'"),
        ("a,y\n1,0\n2\n", "row 2 has 1 cells, the header 2"),
        ("a,y\n1,0\n2,1,5\n", "row 2 has 3 cells, the header 2"),
        ("a,y\n1,\n2,1\n", "label 'y': row 1 is empty"),
        ("a,y\n1,0.5\n2,1\n", "it holds fractions"),
        ("a,y\n1,0\ninf,1\n", "column 'a': row 2 is infinite"),
        ("a,y\n,0\n,1\n", "column 'a' is empty"),
        ('a,y\n"1,0\n2,1\n', "cannot be read as CSV"),
        (b"a,y\n\xff\xfe,0\n2,1\n", "not UTF-8"),
        ("a,y\n1,0\n2,1\n".encode("utf-16"), "not UTF-8"),
        ("a;y\n1,5;0\n2;1\n2,25;1\n", "column 'a' has numbers with a comma, such as '1,5'"),
        ('a,y\n"1,234",0\n"-2,500,000",1\n', "has numbers with a comma, such as '1,234'"),
    ],
)
def test_a_mistake_in_the_table_is_named(text: str | bytes, message: str, write) -> None:
    with pytest.raises(InputError, match=message):
        read(write(text))


def test_a_column_of_identifiers_is_refused(write) -> None:
    rows = MOST_CATEGORIES + 1
    file = write("name,y\n" + "".join(f"n{i},{i % 2}\n" for i in range(rows)))
    with pytest.raises(
        InputError, match=rf"column 'name': {rows} different values in {rows} rows, such as 'n0'"
    ) as raised:
        read(file)
    assert "drop=name" in raised.value.hint
    with pytest.raises(InputError, match="different values"):
        read(file, label="name")


def test_a_missing_column_gets_a_suggestion(write) -> None:
    with pytest.raises(InputError, match="there is no column 'clas'") as raised:
        read(write("class,a\n0,1\n1,2\n"), label="clas")
    assert "class" in raised.value.hint
    with pytest.raises(InputError, match="there is no file"):
        read("/nowhere/t.csv")


def test_a_run_with_thresholds_for_each_class(tmp_path: Path) -> None:
    """14 features, 3 classes, a 14-40-30-3 network with sigmoids, and thresholds 0.2, 0.4, 0.4."""
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    x = rng.normal(size=(300, 14)) + 0.7 * np.eye(3)[y] @ rng.normal(size=(3, 14))
    names = [f"f{i}" for i in range(14)]
    rows = [",".join([*(f"{v:.5f}" for v in row), "abc"[label]]) for row, label in zip(x, y, strict=True)]
    file = tmp_path / "table.csv"
    file.write_text("\n".join([",".join([*names, "class"]), *rows]))
    record = run(
        "ce+threshold:values=0.2;0.4;0.4",
        f"csv:path={file},label=class",
        "mlp:hidden=40;30,activation=sigmoid",
        epochs=20,
        settings=["ce.lr=0.01"],
        results=tmp_path / "r",
        device="cpu",
    )
    assert record.metrics["accuracy"] is not None
    assert record.metrics["accuracy"] > 0.5
    assert 0.9 < (record.metrics["coverage"] or 0) <= 1  # some class nearly always passes thresholds that low
    assert len(record.details["coverage"]["abstention_per_class"]) == 3
    assert any("classes of 'class' in order: a, b, c" in note for note in record.data["notes"])
