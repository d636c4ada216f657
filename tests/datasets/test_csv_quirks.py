"""Tables as spreadsheets write them are read; mistakes that would quietly become features or classes are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calibench import InputError
from calibench_datasets.sources.csv import csv

ROWS = 60


def table(column=None, label=None, header=None, above="", below="", comma=",", decimal=".") -> str:
    """14 columns of numbers, perhaps one more, and a class of three."""
    draw = np.random.default_rng(0)
    names = [*(f"f{i}" for i in range(14)), *(["x"] if column else []), "class"]
    lines = [comma.join(header or names)]
    for i in range(ROWS):
        cells = [f"{value:.3f}".replace(".", decimal) for value in draw.normal(size=14) + i % 3]
        cells += [column(i)] if column else []
        lines.append(comma.join([*cells, label(i) if label else ("low", "mid", "high")[i % 3]]))
    return above + "\n".join(lines) + "\n" + below


@pytest.fixture
def read(tmp_path: Path):
    def call(text: str | bytes, **options):
        file = tmp_path / "t.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return csv(str(file), **{"label": "class", "drop": None, "missing": "refuse", **options})

    return call


@pytest.fixture
def plain(read):
    return read(table())


SAME = {
    "a byte order mark and CRLF": ("\ufeff" + table()).replace("\n", "\r\n").encode(),
    "old Mac line ends": table().replace("\n", "\r"),
    "semicolons": table(comma=";"),
    "tabs": table(comma="\t"),
    "bars": table(comma="|"),
    "blank lines below": table(below="\n\n"),
    "rows of nothing, as spreadsheets write": table(below="," * 14 + "\n" + "," * 14 + "\r\n"),
    "blanks below": table(below="   \n"),
    "no last line end": table().rstrip("\n"),
    "spaces around cells": table().replace(",", " , "),
    "quotes around all": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in table().splitlines()),
}


@pytest.mark.parametrize("quirk", SAME)
def test_files_that_mean_the_same_give_the_same_arrays(quirk, read, plain):
    arrays = read(SAME[quirk])
    np.testing.assert_array_equal(arrays.x, plain.x)
    np.testing.assert_array_equal(arrays.y, plain.y)
    assert arrays.notes == plain.notes == ("classes of 'class' in order: high, low, mid",)


def test_decimal_commas_are_refused_or_read_as_points(read, plain):
    text = table(comma=";", decimal=",")
    with pytest.raises(InputError, match="column 'f0' has numbers with a comma, such as '0,126'") as raised:
        read(text)
    assert "decimal=comma" in raised.value.hint
    np.testing.assert_array_equal(read(text, decimal="comma").x, plain.x)
    quoted = table(decimal="#").replace(",", '","').replace("#", ",").replace("\n", '"\n"')
    quoted = ('"' + quoted).rstrip('"')
    np.testing.assert_array_equal(read(quoted, decimal="comma").x, plain.x)
    with pytest.raises(InputError, match=r"column 'f0': row 1 is '0\.126', and decimal=comma"):
        read(table(), decimal="comma")


def test_numbers_of_a_categorical_column_are_one_hot(read):
    text = table(column=lambda i: str(10 + i % 4))
    assert read(text).x.shape == (ROWS, 15)
    arrays = read(text, categorical="x")
    assert arrays.x.shape == (ROWS, 18)
    np.testing.assert_array_equal(arrays.x[:, 14:], np.eye(4)[np.arange(ROWS) % 4])
    mixed = table(column=lambda i: "3+" if i % 5 == 0 else str(i % 3))
    with pytest.raises(InputError, match=r"column 'x': 48 of 60 cells are numbers, and row 1 is '3\+'"):
        read(mixed)
    assert read(mixed, categorical="x").x.shape == (ROWS, 18)
    with pytest.raises(InputError, match="categorical=xx: the column is not there") as raised:
        read(text, categorical="xx")
    assert "did you mean 'x'?" in raised.value.hint
    with pytest.raises(InputError, match="categorical=class: the column is the label"):
        read(text, categorical="class")


def test_missing_cells_are_refused_or_become_a_feature(read):
    text = table(column=lambda i: "" if i % 10 == 0 else f"{i / 7:.2f}")
    with pytest.raises(InputError, match="column 'x': 6 of 60 cells are missing, the first in row 1"):
        read(text)
    arrays = read(text, missing="indicate")
    np.testing.assert_array_equal(arrays.x[:, 15], np.arange(ROWS) % 10 == 0)


WRONG = {
    "a word among numbers": (table(lambda i: "-" if i == 4 else "1"), "59 of 60 cells are numbers, and row 5", "missing=indicate"),
    "names of rows": (table(column=lambda i: f"person-{i}"), "60 different values in 60 rows, such as 'person-0'", "drop=x"),
    "percents": (table(column=lambda i: f"{i}%"), "60 different values in 60 rows, such as '0%'", "write numbers plainly"),
    "money": (table(column=lambda i: f"${i}.50"), "60 different values in 60 rows, such as '$0.50'", "write numbers plainly"),
    "thousands": (table(column=lambda i: f'"1,{100 + i}"'), "numbers with a comma, such as '1,100'", "thousands as 1234"),
    "too large": (table(column=lambda i: "1e39" if i == 3 else "1"), "row 4 is 1e39, beyond float32", "scale"),
    "infinite": (table(column=lambda i: "inf" if i == 3 else "1"), "row 4 is infinite", "correct"),
    "an index of pandas": (table(header=["", *(f"f{i}" for i in range(13)), "class"]), "column 1 has no name", "index=False"),
    "no header": (table().partition("\n")[2], "the first line holds numbers, such as", "add a header"),
    "names twice": (table(header=["f1", *(f"f{i}" for i in range(13)), "class"]), "two columns are called 'f1'", "rename one"),
    "a comment above": (table(above="# made today\n"), "row 1 has 15 cells, the header 1", "lines above"),
    "sep= above": (table(comma=";", above="sep=;\n"), "row 1 has 15 cells, the header 2", "lines above"),
    "a header alone": (table().partition("\n")[0], "it has 1 lines, no header with rows", "names the columns"),
    "no column": (table(comma=" "), "there is no column 'class'", "known"),
    "labels in two ways": (table(label=lambda i: ("Low", "low", "mid")[i % 3]), "'Low' and 'low' differ in case alone", "one way"),
    "a class called none": (table(label=lambda i: ("none", "mild", "ill")[i % 3]), "row 1 is 'none', which counts", "another name"),
    "a label missing": (table(label=lambda i: "" if i == 7 else str(i % 3)), "label 'class': row 8 is empty", "drop rows"),
    "a label of fractions": (table(label=lambda i: f"{i / 7:.2f}"), "it holds fractions", "a class"),
    "a label of its own each": (table(label=lambda i: f"id{i}"), "label 'class': 60 different values in 60 rows", "label column"),
    "a label of counts": (table(label=lambda i: str(1000 + i)), "label 'class': 60 different values in 60 rows", "label column"),
    "two encodings": (table(label=lambda i: "été").encode("latin-1"), "not UTF-8", "UTF-8"),
    "16 bits": (table().encode("utf-16"), "not UTF-8", "UTF-8"),
    "an open quote": (table(column=lambda i: '"q' if i == 5 else "q"), "cannot be read as CSV", "quotes"),
}  # fmt: skip


@pytest.mark.parametrize("quirk", WRONG)
def test_suspicious_tables_are_refused_with_a_way_out(quirk, read):
    text, message, hint = WRONG[quirk]
    with pytest.raises(InputError) as raised:
        read(text)
    assert message in raised.value.message
    assert hint in raised.value.hint
    if "drop=x" in raised.value.hint:
        read(text, drop="x")


def test_the_preset_table_thresholds_is_the_command_written_out(cli, tmp_path):
    """14 features, 3 classes, a 14-40-30-3 network with sigmoids, a threshold for each class."""
    (tmp_path / "table.csv").write_text(table())
    data = ("-d", "csv:path=table.csv,label=class", "--epochs", 2, "--json")
    written_out = cli(
        "run", "--model", "mlp:hidden=40;30,activation=sigmoid", "-m", "ce+threshold:values=0.2;0.4;0.4", *data
    ).document
    ran = cli("run", "--preset", "table-thresholds", *data)
    without_rule, with_rule = json.loads(ran.out)["records"]
    assert with_rule["run_id"] == written_out["run_id"]
    assert "there already" in ran.err
    assert "changed: dataset: csv -> csv:path=table.csv,label=class" in ran.err
    assert (without_rule["recipe"], with_rule["recipe"]) == ("ce:epochs=2", "ce:epochs=2+threshold:values=0.2;0.4;0.4")
    assert 0 <= with_rule["metrics"]["coverage"] <= 1
    assert any("classes of 'class' in order: high, low, mid" in note for note in with_rule["data"]["notes"])


def test_the_preset_needs_the_user_s_file(refused):
    refused("run", "--preset", "table-thresholds", says="dataset 'csv' needs path", hint="csv:path=")
