"""Tables that nobody wrote for calibench: forms of pandas, R and Excel, other endings, standard input."""

from __future__ import annotations

import io
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from calibench.errors import InputError
from calibench.outputs.readers import Columns, read_samples, standard_input

N, NAMES = 60, ("cat", "dog", "fox")
LOGITS = np.random.default_rng(1).normal(size=(N, 3)) * 2
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
LABELS = np.arange(N) % 3
WORDS = np.array(NAMES)[LABELS]


def frame():
    pd = pytest.importorskip("pandas")
    return pd.DataFrame({**dict(zip(NAMES, PROBS.T, strict=True)), "label": WORDS})


def same(samples, rtol=0):
    assert samples.outputs.from_probs
    np.testing.assert_allclose(samples.outputs.given, PROBS, rtol=rtol, atol=0)
    np.testing.assert_array_equal(samples.labels, LABELS)
    return samples


@pytest.mark.parametrize("orient", ["split", "table", "index", "columns", "records"])
def test_every_form_of_a_table_that_pandas_writes_as_json(orient, tmp_path):
    frame().to_json(tmp_path / "a.json", orient=orient, double_precision=15)
    assert same(read_samples(tmp_path / "a.json"), rtol=1e-11).class_names == NAMES


LINES = [",".join([*map(repr, map(float, row)), word]) for row, word in zip(PROBS, WORDS, strict=True)]
HEADER = "cat,dog,fox,label"

ODD = {
    "the line that Excel writes first": ["sep=,", HEADER, *LINES],
    "row names of R without a header": [HEADER, *(f'"{row}",{line}' for row, line in enumerate(LINES, 1))],
    "commas at the end": [f"{HEADER},", *(f"{line}," for line in LINES)],
    "commas at the end of rows alone": [HEADER, *(f"{line}," for line in LINES)],
    "an index of two levels": [f",,{HEADER}", *(f"a,{row},{line}" for row, line in enumerate(LINES))],
    "an index of dates": [f",{HEADER}", *(f"2020-01-{row:02},{line}" for row, line in enumerate(LINES))],
}


@pytest.mark.parametrize("way", ODD)
def test_tables_of_text_with_columns_that_nobody_named(way, tmp_path):
    (tmp_path / "a.csv").write_text("\n".join(ODD[way]))
    samples = same(read_samples(tmp_path / "a.csv"))
    assert samples.class_names == NAMES
    left_out = [note for note in samples.notes if "is left out" in note]
    assert len(left_out) == {"the line that Excel writes first": 0, "an index of two levels": 2}.get(way, 1)
    assert all("it counts the rows" in note for note in left_out) == ("row names" in way or not left_out)


def test_lines_above_the_header_are_named(tmp_path):
    (tmp_path / "a.csv").write_text("\n".join(["# of my model", HEADER, *LINES]))
    with pytest.raises(InputError, match="line 2 has 4 values") as error:
        read_samples(tmp_path / "a.csv")
    assert "take out lines above it" in error.value.hint


def piped(monkeypatch, content):
    standard_input._copied.cache_clear()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    return "-"


def test_tensors_from_standard_input(monkeypatch, tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"probs": torch.tensor(PROBS), "labels": torch.tensor(LABELS)}, tmp_path / "a.pt")
    same(read_samples(piped(monkeypatch, (tmp_path / "a.pt").read_bytes())))
    torch.save(
        {"probs": torch.tensor(PROBS), "labels": torch.tensor(LABELS)},
        tmp_path / "b.pt",
        _use_new_zipfile_serialization=False,
    )
    same(read_samples(tmp_path / "b.pt"))


def test_errors_name_standard_input_and_no_copy_of_it(monkeypatch, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "a,b,label\n")
    with pytest.raises(InputError, match=r"^-: 'a.csv' is not an array"):
        read_samples(piped(monkeypatch, (tmp_path / "a.zip").read_bytes()))
    standard_input._copied.cache_clear()


HINTS = {
    "a.txt": (b"a,b,label\n.5,.5,a\n", "--format csv"),
    "a.jsonl.gz": (b"\x1f\x8b\x08", "gunzip FILE"),
    "a.csv.zip": (b"PK\x03\x04", "unzip FILE"),
    "a": (b"\x80\x00", "--format NAME"),
}


@pytest.mark.parametrize("name", HINTS)
def test_what_to_do_with_a_file_whose_ending_tells_nothing(name, tmp_path):
    content, hint = HINTS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot read files of type") as error:
        read_samples(tmp_path / name)
    assert hint in error.value.hint


def test_a_table_of_another_ending_is_read_as_the_hint_says(tmp_path):
    frame().to_csv(tmp_path / "a.txt", index=False)
    same(read_samples(tmp_path / "a.txt", Columns(format="csv")))
