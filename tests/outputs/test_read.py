"""Read stored outputs: formats agree, and a path that is no such file is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from table_cases import csv_text

from calibench.outputs.readers import read_outputs

CIFAR100 = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar100_test_probs.npz"


@pytest.mark.skipif(not CIFAR100.exists(), reason=f"the CIFAR-100 networks are not at {CIFAR100}")
def test_the_three_formats_give_the_same_bits(tmp_path):
    """A CIFAR-100 network's probabilities, among them many close to 0 and to 1."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    with np.load(CIFAR100) as arrays:
        probs, labels = arrays["densenet_bc_100"][:500].astype(np.float64), arrays["label"][:500]
    names = [f"c{k}" for k in range(100)]
    np.savez(tmp_path / "a.npz", probs=probs, labels=labels)
    (tmp_path / "a.csv").write_text(csv_text(probs, labels, names))
    columns = dict(zip(names, probs.T, strict=True))
    parquet.write_table(pa.table(columns | {"label": labels}), tmp_path / "a.parquet")
    outputs, read_labels = read_outputs(tmp_path / "a.npz")
    for other in ("a.csv", "a.parquet"):
        other_outputs, other_labels = read_outputs(tmp_path / other)
        assert torch.equal(other_outputs.scores, outputs.scores)
        np.testing.assert_array_equal(other_labels, read_labels)


def test_paths_and_types_of_files_that_are_refused(refused, tmp_path):
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "outputs.mat").write_bytes(b"")
    (tmp_path / "outputs").write_bytes(b"")
    for kind in ("npz", "csv", "parquet"):
        refused("evaluate", f"none.{kind}", says=f"there is no file 'none.{kind}'", hint="check the path")
        refused("evaluate", f"folder.{kind}", says=f"'folder.{kind}' is not a file")
    refused(
        "evaluate",
        "outputs.mat",
        says="cannot read files of type '.mat'",
        hint=".npy, .npz, .parquet, .pt",
    )
    refused(
        "evaluate",
        "outputs",
        says="cannot read files of type 'unknown'",
        hint="use .arrow, .csv, .csv.gz",
    )
