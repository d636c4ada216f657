"""Small sets of digits for the tests of shifts and OOD sets, and runs of three epochs on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from calibench import run
from calibench.records.record import ResultRecord


def digit_images() -> tuple[np.ndarray, np.ndarray]:
    """The embedded digits `[1797, 1, 8, 8]` in [0, 1], as the dataset `digits` has them, and their labels."""
    pixels, y = load_digits(return_X_y=True)
    return (pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8), y


def write_some_digits(folder: Path, rows: int) -> str:
    """The first rows of the digits; returns their dataset as `npz:path=...`."""
    x, y = digit_images()
    np.savez(folder / "digits.npz", train_x=x[:rows], train_y=y[:rows])
    return f"npz:path={folder / 'digits.npz'}"


def write_ood_sets(folder: Path) -> dict[str, str]:
    """OOD sets of 400 test rows for digits: `mixed`, their pixels in another order, and `negative`."""
    x, y = digit_images()
    order = np.random.default_rng(0).permutation(64)
    sets = {"mixed": x.reshape(-1, 64)[:, order].reshape(x.shape), "negative": 1 - x}
    for name, rows in sets.items():
        arrays = {"train_x": rows[:300], "train_y": y[:300], "test_x": rows[1000:1400], "test_y": y[1000:1400]}
        np.savez(folder / f"{name}.npz", **arrays)
    return {name: f"npz:path={folder / name}.npz" for name in sets}


def quick(method: str, **options: Any) -> ResultRecord:
    """A run of three epochs that stores nothing; `options` are those of `calibench.run`."""
    defaults = {"model": "mlp:hidden=16", "epochs": 3, "results": None, "device": "cpu"}
    return run(method, **(defaults | options))
