"""`npz`: the user's own arrays from one file."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from calibench import Arrays, InputError
from calibench.data.arrays import Pair
from calibench.data.npzfile import read_npz
from calibench.errors import did_you_mean

PARTS = ("train", "val", "cal", "test")
NAMES = (*(f"{part}_{axis}" for part in PARTS for axis in "xy"), "head_weight", "head_bias", "test_soft")

SEEN = (
    "val or cal are rows of train_x: if the given network was trained on them, its outputs there are better than on new "
    "rows, and what is fitted on them is too confident"
)


def npz(path: str) -> Arrays:
    """`train_x [N, ...]`, `train_y [N]` and what else is there of test, val, cal, head_weight, head_bias, test_soft.

    Raises InputError for a name that means nothing here, for half a pair, and for a file that cannot be read.
    """
    return named_arrays(read_npz(path), path)


def named_arrays(arrays: Mapping[str, NDArray[Any]], path: str, notes: tuple[str, ...] = ()) -> Arrays:
    """`Arrays` of what is called as in `NAMES`; `path` is for messages."""
    for name in arrays:
        if name not in NAMES:
            raise InputError(
                f"{path}: no array is called {name!r} here", f"{did_you_mean(name, NAMES)} Drop or rename it."
            )
    for part in PARTS:
        if (f"{part}_x" in arrays) != (f"{part}_y" in arrays):
            raise InputError(f"{path}: {part}_x and {part}_y come together", "give both or neither")
    if "train_x" not in arrays:
        raise InputError(f"{path}: there is no train_x", f"it holds {', '.join(arrays) or 'nothing'}")

    def pair(part: str) -> Pair | None:
        return (arrays[f"{part}_x"], arrays[f"{part}_y"]) if f"{part}_x" in arrays else None

    return Arrays(
        x=arrays["train_x"],
        y=arrays["train_y"],
        val=pair("val"),
        cal=pair("cal"),
        test=pair("test"),
        head_weight=arrays.get("head_weight"),
        head_bias=arrays.get("head_bias"),
        test_soft=arrays.get("test_soft"),
        notes=notes + ((SEEN,) if "head_weight" in arrays and not {"val_x", "cal_x"} <= set(arrays) else ()),
    )
