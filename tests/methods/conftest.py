"""For the tests of methods: the helper modules beside this file, and a single thread."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
pytest.register_assert_rewrite("objective_cases", "process_cases")


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread: None) -> None:
    """Tensors are tiny here: threads would only wait for each other."""


@pytest.fixture
def two_files(tmp_path: Path, samples: Callable[..., tuple[np.ndarray, np.ndarray]]) -> Callable[..., None]:
    """`two_files(n, classes, seeds)` writes `test.npz` and `val.npz` of logits and labels into `tmp_path`."""

    def write(n: int, classes: int = 3, seeds: tuple[int, int] = (1, 2)) -> None:
        for name, seed in zip(("test.npz", "val.npz"), seeds, strict=True):
            logits, labels = samples(n, classes, seed)
            np.savez(tmp_path / name, logits=logits, labels=labels)

    return write


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """160 images of three classes, as a dataset that a user names."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=160)
    x = (rng.normal(size=(160, 1, 6, 6)) + y[:, None, None, None]).astype(np.float32)
    file = tmp_path_factory.mktemp("images") / "images.npz"
    np.savez(file, train_x=x, train_y=y)
    return f"npz:path={file}"
