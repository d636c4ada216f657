"""Read a `.csv` of outputs: the same samples however the table is written, and everything that is refused."""

from __future__ import annotations

import pytest
import torch
from table_cases import csv_text

from calibench.outputs.readers import Columns, read_outputs

NAMES = ["cat", "dog", '"a, b"', "owl"]


def written(probs, labels):
    """The same samples, written in other ways."""
    plain = csv_text(probs, labels, NAMES)
    unquoted = csv_text(probs, labels, "abcd")
    label_first = [line.split(",") for line in unquoted.splitlines()]
    return {
        "plain": plain,
        "byte order mark": "\ufeff" + plain,
        "crlf": plain.replace("\n", "\r\n"),
        "no newline at the end": plain.rstrip("\n"),
        "blank lines": plain.replace("\n", "\n\n"),
        "words": csv_text(probs, [NAMES[y] for y in labels], NAMES),
        "label first": "\n".join(",".join([*line[4:], *line[:4]]) for line in label_first),
        "spaces": unquoted.replace(",", " , "),
        "labels": csv_text(probs, labels, "abcd", label="labels"),
        "floats": csv_text(probs, [f"{y}.0" for y in labels], "abcd"),
    }


@pytest.mark.parametrize("way", written([[0.25] * 4], [0]))
def test_ways_to_write_the_same_samples(way, tmp_path, probs_and_labels):
    probs, labels = probs_and_labels
    (tmp_path / "a.csv").write_bytes(written(probs, labels)[way].encode())
    outputs, read_labels = read_outputs(tmp_path / "a.csv")
    assert outputs.from_probs
    assert torch.equal(outputs.scores, torch.from_numpy(probs))
    assert read_labels.tolist() == labels.tolist()


@pytest.mark.parametrize("pattern", ["p*", "p0,p1,p2,p3", "p[0-3]", "p0, p?"])
@pytest.mark.parametrize("kind", ["probs", "logits"])
def test_score_columns_by_names_and_patterns(pattern, kind, tmp_path, probs_and_labels):
    probs, labels = probs_and_labels
    lines = csv_text(probs, labels, ["p0", "p1", "p2", "p3"], label="truth").splitlines()
    (tmp_path / "A.CSV").write_text("\n".join([lines[0] + ",id", *(f"{line},7" for line in lines[1:])]))
    outputs, read_labels = read_outputs(tmp_path / "A.CSV", Columns(**{kind: pattern}, label="truth"))
    assert outputs.from_probs == (kind == "probs")
    assert torch.equal(outputs.scores, torch.from_numpy(probs))
    assert read_labels.tolist() == labels.tolist()


GOOD = "a,b,c,label\n.7,.2,.1,0\n.1,.8,.1,1\n.2,.2,.6,2\n"
CASES = {
    "0 bytes": ("", "it is empty"),
    "header only": ("a,b,c,label\n", "there are no rows"),
    "ragged": (GOOD + ".1,.2,.7\n", "line 5 has 3 values, the header 4"),
    "too long": (GOOD + ".1,.2,.7,1,\n", "line 5 has 5 values, the header 4"),
    "no number": (GOOD.replace(".8", "high"), "row 1: b is 'high', not a number"),
    "no value": (GOOD.replace(".8", ""), "row 1: b is '', not a number"),
    "nan": (GOOD.replace(".8", "nan"), "row 1: probabilities are NaN or infinite"),
    "twice": (GOOD.replace("a,b,c", "a,b,b"), "two columns are called 'b'"),
    "no label column": (
        GOOD.replace("label", "labell"),
        "no column or array is named labels or label\nhint: did you mean 'labell'?",
    ),
    "no label": (GOOD.replace(".1,1", ".1,"), "row 1: label is '', no class index"),
    "half label": (GOOD.replace(".1,1", ".1,1.5"), "row 1: label is '1.5', no class index"),
    "huge label": (GOOD.replace(".1,1", ".1,1e30"), "row 1: label is '1e30', no class index"),
    "nan label": (GOOD.replace(".1,1", ".1,nan"), "row 1: label is 'nan', no class index"),
    "label 3": (GOOD.replace(".1,1", ".1,3"), "row 1: the label is outside [0, 3)"),
    "label -1": (GOOD.replace(".1,1", ".1,-1"), "row 1: the label is outside [0, 3)"),
    "word": (GOOD.replace(".1,1", ".1,d"), "row 1: label is 'd', no class index and no score column's name"),
    "one class": ("a,label\n1,0\n1,0\n", "all 2 labels are class 0"),
    "one column of words": (
        "a,b,label\nx,.5,cat\ny,.2,dog\n",
        "one column of scores (b), and nothing tells which of cat, dog",
    ),
    "only labels": ("label\n0\n1\n", "no column is called '*'"),
    "two columns more": ("id,age," + GOOD.replace("\n.", "\n7,30,."), "row 0: probabilities lie outside [0, 1]"),
    "latin-1": (GOOD.replace("a,", "\xe4,").encode("latin-1"), "cannot read bad.csv"),
    "utf-16": (GOOD.encode("utf-16"), "cannot read bad.csv"),
    "nul": (GOOD.replace(".8", "\0"), "bad.csv"),
    "quote": (GOOD.replace(".8", '".8'), "bad.csv"),
}


@pytest.mark.parametrize("case", CASES)
def test_tables_that_cannot_be_judged_are_refused(case, refused, tmp_path):
    content, says = CASES[case]
    (tmp_path / "bad.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    refused("evaluate", "bad.csv", "--json", says=("bad.csv", says))


def test_columns_that_are_not_there_are_refused(refused, tmp_path):
    (tmp_path / "good.csv").write_text(GOOD.replace("a,b,c", "cat,dog,owl"))
    refused(
        "evaluate", "good.csv", "--probs", "cat,dgo,owl", says="no column is called 'dgo'", hint="did you mean 'dog'?"
    )
    refused("evaluate", "good.csv", "--labels", "lable", says="there is no 'lable'", hint="did you mean 'label'?")
    refused("evaluate", "good.csv", "--probs", "cat", "--logits", "cat", says="not both", hint="--logits or --probs")
