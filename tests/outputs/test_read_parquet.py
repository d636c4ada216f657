"""Read a `.parquet` of outputs: types of columns, and everything that is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calibench.outputs.readers import read_outputs

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def labels_of_every_type(labels):
    words = pa.array([f"p{y}" for y in labels])
    return {
        "int64": labels,
        "int8": labels.astype(np.int8),
        "float": labels.astype(float),
        "words": words,
        "categories": words.dictionary_encode(),
    }


@pytest.mark.parametrize("kind", labels_of_every_type(np.array([0])))
def test_labels_of_every_type(kind, tmp_path, probs_and_labels):
    probs, labels = probs_and_labels
    columns = {f"p{k}": probs[:, k] for k in range(4)}
    parquet.write_table(pa.table(columns | {"label": labels_of_every_type(labels)[kind]}), tmp_path / "a.parquet")
    outputs, read_labels = read_outputs(tmp_path / "a.parquet")
    assert outputs.from_probs
    assert torch.equal(outputs.scores, torch.from_numpy(probs))
    assert read_labels.tolist() == labels.tolist()


@pytest.mark.parametrize(("dtype", "group_size"), [(np.float64, 7), (np.float32, 90)])
def test_row_groups_and_narrow_scores(dtype, group_size, tmp_path, probs_and_labels):
    probs, labels = probs_and_labels
    columns = {f"p{k}": probs[:, k].astype(dtype) for k in range(4)}
    table = pa.table(columns | {"label": labels})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=group_size)
    outputs, _ = read_outputs(tmp_path / "a.parquet")
    assert torch.equal(outputs.scores, torch.from_numpy(probs.astype(dtype).astype(np.float64)))


def test_files_that_cannot_be_judged_are_refused(refused, tmp_path):
    (tmp_path / "empty.parquet").write_bytes(b"")
    refused("evaluate", "empty.parquet", says="cannot read empty.parquet")
    (tmp_path / "text.parquet").write_text("a,b\n1,2\n" * 10)
    refused("evaluate", "text.parquet", says="cannot read text.parquet")
    columns = [pa.array(c) for c in ([0.7, 0.1], [0.3, 0.9], [0, 1])]
    parquet.write_table(pa.table(columns, names=["a", "b", "label"]), tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-20])
    refused("evaluate", "cut.parquet", says="cannot read cut.parquet")
    parquet.write_table(pa.table([c[:0] for c in columns], names=["a", "b", "label"]), tmp_path / "none.parquet")
    refused("evaluate", "none.parquet", says="none.parquet: there are no rows")
    parquet.write_table(pa.table([*columns, columns[0]], names=["a", "b", "label", "a"]), tmp_path / "twice.parquet")
    refused("evaluate", "twice.parquet", says="two columns are called 'a'")
    holes = pa.table([pa.array([0.7, None]), *columns[1:]], names=["a", "b", "label"])
    parquet.write_table(holes, tmp_path / "holes.parquet")
    refused("evaluate", "holes.parquet", says="holes.parquet: row 1: a is missing")
    words = pa.table([pa.array(["x", "0.5"]), *columns[1:]], names=["a", "b", "label"])
    parquet.write_table(words, tmp_path / "words.parquet")
    refused("evaluate", "words.parquet", says="row 0: a is 'x', not a number")
    lists = pa.table([pa.array([["x"], ["y"]]), columns[2]], names=["probs", "label"])
    parquet.write_table(lists, tmp_path / "lists.parquet")
    refused("evaluate", "lists.parquet", says="no column is one of scores")
