"""A small archive of CIFAR-10, written as Python 2 wrote the original, and described as the published one."""

from __future__ import annotations

import dataclasses
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from published_files import republish
from python2_pickle import python2_pickle

from calibench_datasets.sources import cifar

CLASSES = [b"airplane", b"automobile", b"bird", b"cat", b"deer", b"dog", b"frog", b"horse", b"ship", b"truck"]
ROWS = 12  # of each batch: five training batches and a test batch
FOLDER = "cifar-10-batches-py"


def images(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, 3072), dtype=np.uint8)


def batch(number: int) -> dict[str, Any]:
    labels = [(number + row) % 10 for row in range(ROWS)]
    filenames = [b"x.png"] * ROWS
    return {b"batch_label": b"batch", b"labels": labels, b"data": images(ROWS, number), b"filenames": filenames}


def cifar10_members() -> dict[str, bytes]:
    contents = {f"data_batch_{number}": python2_pickle(batch(number)) for number in range(1, 6)}
    contents["test_batch"] = python2_pickle(batch(6))
    contents["batches.meta"] = python2_pickle({b"num_cases_per_batch": ROWS, b"label_names": CLASSES, b"num_vis": 3072})
    contents["readme.html"] = b"<html></html>"
    return {f"{FOLDER}/{name}": content for name, content in contents.items()}


def write_archive(path: Path, members: dict[str, bytes], empty_members: tuple[tarfile.TarInfo, ...] = ()) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for entry in empty_members:
            archive.addfile(entry)


def describe(monkeypatch, name: str, archive: Path, rows: dict[str, int]) -> None:
    """Describe a small archive as the published one of CIFAR10 or CIFAR100; no option of the user can do that."""
    original = getattr(cifar, name)
    small = dataclasses.replace(original, archive=republish(original.archive, archive), rows=rows)
    monkeypatch.setattr(cifar, name, small)
