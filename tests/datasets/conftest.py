"""Fixtures of several dataset tests; the helper modules beside this file are imported by name."""

from __future__ import annotations

import socket
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cifar_archive import ROWS, cifar10_members, describe, write_archive

pytest.register_assert_rewrite("corruption_cases")

SHARED = Path("/work/shared/data")


@pytest.fixture
def shared_file():
    """`shared_file(name)` is a file of the workplace's shared data; the test is skipped on machines without it."""

    def path(name: str) -> Path:
        if not (SHARED / name).exists():
            pytest.skip(f"{SHARED / name} is not on this machine")
        return SHARED / name

    return path


@pytest.fixture
def write_cifar10(tmp_path: Path, monkeypatch):
    """`write_cifar10(members, empty_members)` writes `tmp_path/data/cifar-10-python.tar.gz` and describes it as published."""

    def call(members: dict[str, bytes] | None = None, empty_members: tuple[tarfile.TarInfo, ...] = ()) -> Path:
        archive = tmp_path / "data" / "cifar-10-python.tar.gz"
        archive.parent.mkdir(exist_ok=True)
        write_archive(archive, cifar10_members() if members is None else members, empty_members)
        describe(monkeypatch, "CIFAR10", archive, {"train": 5 * ROWS, "test": ROWS})
        return archive

    return call


@pytest.fixture
def offline_hub(monkeypatch, tmp_path: Path) -> None:
    """Any connection fails at once, and the usual Hugging Face cache is an empty folder."""
    import datasets

    def refuse(*args: Any) -> None:
        raise AssertionError(f"it reached for the network: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    datasets.disable_progress_bars()


@pytest.fixture
def hf_folder(tmp_path: Path) -> Path:
    """A Hugging Face set: train in two files of 15 rows, validation and test of 6 and 8."""
    from hf_sets import image_table, write_table

    data = tmp_path / "set" / "data"
    data.mkdir(parents=True)
    for number, rows in enumerate((range(15), range(15, 30))):
        write_table(image_table(rows), data / f"train-0000{number}-of-00002.parquet")
    write_table(image_table(range(30, 36)), data / "validation-00000-of-00001.parquet")
    write_table(image_table(range(36, 44)), data / "test-00000-of-00001.parquet")
    return tmp_path / "set"


@pytest.fixture(scope="module")
def smooth_images() -> np.ndarray:
    """Twelve smooth coloured images with sharp squares, bytes `[12, 3, 32, 32]` as float32."""
    from scipy import ndimage

    generator = np.random.default_rng(1)
    x = ndimage.gaussian_filter(generator.normal(size=(12, 3, 32, 32)), (0, 0, 3, 3))
    x = (x - x.min()) / (x.max() - x.min())
    for row, (top, left) in enumerate(generator.integers(2, 18, size=(12, 2))):
        x[row, row % 3, top : top + 10, left : left + 10] = row % 2
    return np.rint(x * 255).astype(np.float32)
