"""Shared by the tests of runs: small data, runs of two epochs, and the trainings that a run reports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from calibench import run
from calibench.progress import Report
from calibench.records.record import ResultRecord


class Trainings(list[str]):
    """The trainings that were reported, in order, as `stage 1, ce` or `stage 2, TST`. It is the report of a run."""

    def __call__(self, what: str, done: float, total: int, note: str) -> None:
        if done == 1 and "val NLL" in note:  # the end of the first epoch
            self.append(what)


def interrupt(training: str, epoch: int) -> Report:
    """A report that presses Ctrl-C at the end of an epoch of one training, before that epoch is kept on disk."""

    def report(what: str, done: float, total: int, note: str) -> None:
        if what == training and done == epoch and "val NLL" in note:
            raise KeyboardInterrupt

    return report


def write_blobs(folder: Path) -> str:
    """240 rows of five numbers in three classes; returns their dataset as `npz:path=...`."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=240)
    x = (rng.normal(size=(240, 5)) + 1.2 * np.eye(5)[y]).astype(np.float32)
    np.savez(folder / "blobs.npz", train_x=x, train_y=y)
    return f"npz:path={folder / 'blobs.npz'}"


def write_small_suite(folder: Path, recipes: Sequence[str]) -> Path:
    """A suite of `recipes` on the blobs with two seeds, two epochs each; returns `small-v1.toml`."""
    file = folder / "small-v1.toml"
    file.write_text(
        f'primary = "brier"\nbase = "ce"\nmethod = {json.dumps(list(recipes))}\nseed = [0, 1]\n'
        f'[[data]]\ndataset = "{write_blobs(folder)}"\nmodel = "mlp:hidden=8"\n[train]\nepochs = 2\n'
    )
    return file


def write_scores(folder: Path) -> str:
    """200 rows in three classes with a head that is the identity, for the model `frozen`: rows are its logits."""
    rng = np.random.default_rng(1)
    y = rng.integers(3, size=200)
    x = (rng.normal(size=(200, 3)) + 2 * np.eye(3)[y]).astype(np.float32)
    np.savez(folder / "scores.npz", train_x=x, train_y=y, head_weight=np.eye(3), head_bias=np.zeros(3))
    return f"npz:path={folder / 'scores.npz'}"


def write_uneven_splits(folder: Path) -> str:
    """Digits 0, 1 and 2 in splits of 301, 57, 43 and 99 rows; returns their dataset as `npz:path=...`."""
    x, y = load_digits(n_class=3, return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].reshape(-1, 8, 8).astype(np.float32), y[order]
    arrays, start = {}, 0
    for name, size in {"train": 301, "val": 57, "cal": 43, "test": 99}.items():
        arrays |= {f"{name}_x": x[start : start + size], f"{name}_y": y[start : start + size]}
        start += size
    np.savez(folder / "uneven.npz", **arrays)
    return f"npz:path={folder / 'uneven.npz'}"


def short_run(recipe: str, dataset: str, results: Path | None, **options: Any) -> ResultRecord:
    """A run of a small network for two epochs in each stage that trains; `options` are those of `calibench.run`."""
    stages = [part.partition(":")[0] for part in recipe.split("+")]
    settings = [f"{name}.epochs=2" for name in stages if name in {"tst", "vtst"}]
    defaults = {"model": "mlp:hidden=8", "epochs": 2, "settings": settings, "device": "cpu"}
    return run(recipe, dataset, results=results, **(defaults | options))


def figures(record: ResultRecord | dict[str, Any]) -> str:
    """The figures of a record or of its JSON document: metrics, intervals, noise floors, details, what was fitted."""
    document = record if isinstance(record, dict) else record.to_dict()
    names = ("metrics", "intervals", "noise_floor", "details", "fitted")
    return json.dumps([document[name] for name in names], sort_keys=True)


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The dataset of `write_blobs`."""
    return write_blobs(tmp_path_factory.mktemp("blobs"))


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The dataset of `write_scores`."""
    return write_scores(tmp_path_factory.mktemp("scores"))


@pytest.fixture(scope="module")
def uneven_splits(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The dataset of `write_uneven_splits`."""
    return write_uneven_splits(tmp_path_factory.mktemp("uneven"))


@pytest.fixture
def trainings() -> Trainings:
    """`short_run(..., report=trainings)` lists the trainings of the run in `trainings`."""
    return Trainings()
