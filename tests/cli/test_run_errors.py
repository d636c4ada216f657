"""Refusals of `calibench run`: data that cannot be used and folders that cannot be written. Nothing is written."""

from __future__ import annotations

import os

import numpy as np
import pytest


def with_value(array, place, value):
    """A copy of the array with `value` at `place`."""
    changed = array.copy()
    changed[place] = value
    return changed


def leaking(arrays):
    """Two rows of test are rows of train."""
    test, train = arrays["test_x"], arrays["train_x"]
    return {"test_x": np.concatenate([test[:5], train[17:19], test[5:]])[:120]}


NO_HEAD = {"head_weight": None, "head_bias": None}
DATA = {
    "leak": (leaking, ("2 rows of test are also in train", "row 5 of test is row 17 of train")),
    "val leak": (
        lambda f: {"val_x": f["test_x"][3:6], "val_y": f["test_y"][3:6]},
        ("3 rows of test are also in val", "row 3 of test is row 0 of val"),
    ),
    "nan in x": (
        lambda f: {"train_x": with_value(f["train_x"], 6, np.nan)},
        "train: row 6 of x",
    ),
    "nan in test": (
        lambda f: {"test_x": with_value(f["test_x"], (8, 2), np.inf)},
        "test: row 8 of x holds NaN or inf",
    ),
    "beyond float32": (
        lambda f: {"train_x": with_value(f["train_x"].astype(float), (0, 0), 1e300)},
        "float32's range",
    ),
    "lengths": (lambda f: {"train_y": f["train_y"][:-1]}, "train: x has 240 rows and y has shape [239]"),
    "float labels": (lambda f: {"train_y": f["train_y"] + 0.5}, "train: y has type float64"),
    "one-hot": (
        lambda f: {"test_y": np.eye(3, dtype=int)[f["test_y"]]},
        "the splits differ in labels a row",
    ),
    "negative label": (lambda f: {"train_y": with_value(f["train_y"], 9, -1)}, "train: the label of row 9 is -1"),
    "label beyond the head": (lambda f: {"test_y": with_value(f["test_y"], 9, 3)}, "a label is 3, outside [0, 3)"),
    "huge label": (
        lambda f: {"test_y": with_value(f["test_y"].astype(np.uint64), 9, 2**64 - 1)},
        ("test: the label of row 9 is", str(2**64 - 1)),
    ),
    "one class": (lambda f: {"train_y": f["train_y"] * 0}, "the training labels hold one class"),
    "empty": (lambda f: {"train_x": f["train_x"][:0], "train_y": f["train_y"][:0]}, "train: it is empty"),
    "no columns": (lambda f: {"train_x": f["train_x"][:, :0]}, "train: it is empty"),
    "1-D": (lambda f: {"train_x": f["train_x"][:, 0]}, "train: x has shape [240], not [N, ...]"),
    "text": (lambda f: {"train_x": f["train_x"].astype(str)}, "train: x has type <U"),
    "shapes differ": (lambda f: {"test_x": f["test_x"][:, :2]}, "rows differ in shape"),
    "head shape": (lambda f: {"head_weight": np.eye(4, 4)}, "head_weight [4, 4] and head_bias [3] do not fit x"),
    "head transposed": (
        lambda f: {"head_weight": np.ones((2, 3))},
        "head_weight [2, 3] and head_bias [3] do not fit x",
    ),
    "head nan": (lambda f: {"head_bias": np.array([0, np.nan, 0])}, "the head holds NaN or infinity"),
    "head text": (lambda f: {"head_bias": np.array(["a", "b", "c"])}, "head"),
    "half a head": (lambda f: {"head_bias": None}, "head_weight and head_bias come together"),
    "only train_x": (lambda f: dict.fromkeys(("train_y", "test_x", "test_y")), "train_x and train_y come together"),
    "no train": (lambda f: dict.fromkeys(("train_x", "train_y")), "there is no train_x"),
    "unknown name": (
        lambda f: {"tset_x": f["test_x"]},
        "no array is called 'tset_x' here\nhint: did you mean 'test_x'?",
    ),
    "label gap": (
        lambda f: {"train_y": f["train_y"] * 2, "test_y": f["test_y"] * 2, **NO_HEAD},
        "no row has the label 1",
    ),
    "labels from 1": (
        lambda f: {"train_y": f["train_y"] + 1, "test_y": f["test_y"] + 1, **NO_HEAD},
        "no row has the label 0",
    ),
    "too few rows": (
        lambda f: {
            "train_x": f["train_x"][:2],
            "train_y": np.array([0, 1]),
            **NO_HEAD,
        },
        "too few distinct rows to hold out",
    ),
}
"""For each case the changes to the good data set and what the message says. None drops an array."""


@pytest.mark.parametrize("case", DATA)
def test_data_that_cannot_be_used(case, refused, tmp_path, features):
    change, says = DATA[case]
    arrays = {name: array for name, array in (features | change(features)).items() if array is not None}
    np.savez(tmp_path / "features.npz", **arrays)
    model = "frozen" if "head_weight" in arrays else "mlp"
    refused("run", "-m", "ce", "-d", "npz:path=features.npz", "--model", model, says=says)


def test_a_share_does_nothing_if_the_data_brings_its_splits(refused, features):
    frozen = ("-d", "npz:path=features.npz,test=0.2", "--model", "frozen")
    refused("run", "-m", "ce", *frozen, says="test=0.2 would do nothing, the data brings its own test split")
    refused("run", "-m", "ce", "-d", "npz:path=features.npz", "--set", "npz.test=0.2", says="would do nothing")


def test_a_dataset_of_pickles_is_named_and_not_loaded(refused, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trapped"),))

    x = np.zeros((4, 3), dtype=object)
    x[0, 0] = Trap()
    np.savez(tmp_path / "data.npz", train_x=x, train_y=np.array([0, 1, 2, 0]))
    refused("run", "-m", "ce", "-d", "npz:path=data.npz", says=("data.npz", "'train_x'", "pickle"))


def test_a_dataset_must_be_a_file(refused, tmp_path):
    (tmp_path / "folder.npz").mkdir()
    refused("run", "-m", "ce", "-d", "npz:path=none.npz", says="there is no file 'none.npz'")
    refused("run", "-m", "ce", "-d", "npz:path=folder.npz", says="'folder.npz' is not a file")


def test_results_folders_that_cannot_be_written(refused, tmp_path, features):
    (tmp_path / "taken").write_text("a file")
    run = ("run", "-m", "ce", "-d", "npz:path=features.npz", "--model", "frozen")
    for folder in ("taken", "taken/results", "/proc/x", "/dev/null/x"):
        refused(*run, "--results", folder, says=f"cannot write in '{folder}", hint="another folder")


def test_a_results_folder_that_is_half_writable(refused, tmp_path, features):
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "predictions").write_text("a file in the way")
    run = ("run", "-m", "ce", "-d", "npz:path=features.npz", "--model", "frozen")
    refused(*run, "--results", "half", says="cannot write in 'half/predictions'")


def test_more_threads_than_any_machine_has_are_refused(refused):
    """100 000 threads ended in a segmentation fault, and 2^31 in an internal error."""
    for count in (100_000, 1 << 31):
        refused("run", "-m", "ce", "--threads", count, says=f"{count}, not a whole number from 1 to 1024")
