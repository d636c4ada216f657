"""`npz`: the user's own arrays from one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from calibench import REQUIRED, Arrays, DatasetSpec, InputError, Param
from calibench.data.arrays import Pair
from calibench.data.numpy_files import read_npz
from calibench.errors import did_you_mean
from calibench_datasets.sources.encoded import LOSSY, decoded, encoded_names, is_encoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS = ("train", "val", "cal", "test")
NAMES = (*(f"{part}_{axis}" for part in PARTS for axis in "xy"), "head_weight", "head_bias", "test_soft")
ENCODED = (*(name for part in PARTS for name in encoded_names(part)), "class_names")

SEEN = (
    "val or cal are rows of train_x: if the given network was trained on them, its outputs there are better than on new "
    "rows, and what is fitted on them is too confident"
)


SPEC = DatasetSpec(
    name="npz",
    target=f"{__name__}:npz",
    summary="Your own arrays: train_x train_y test_x test_y, optionally val_* cal_* head_weight head_bias test_soft.",
    params=(
        Param(
            "path",
            "path",
            REQUIRED,
            "an .npz file with train_x [N, ...] and train_y [N], or pictures as bytes: train_jpeg or train_png [B], "
            "train_offsets [N + 1], train_label [N]; the rest is optional",
        ),
    ),
    licence="yours",
    source="the file; for a trained network x is its features and head_weight [K, D], head_bias [K] its last layer",
)


def npz(path: str) -> Arrays:
    """`train_x [N, ...]`, `train_y [N]` and what else is there of test, val, cal, head_weight, head_bias, test_soft.

    In place of x and y a split may be pictures as the bytes of their files (`calibench_datasets.sources.encoded`), with
    `class_names [K]` for the record. Raises InputError for a name that means nothing here, for half a pair, and for a file
    that cannot be read.
    """
    return named_arrays(read_npz(path), path)


def named_arrays(arrays: Mapping[str, NDArray[Any]], path: str, notes: tuple[str, ...] = ()) -> Arrays:
    """`Arrays` of what is called as in `NAMES` and `ENCODED`; `path` is for messages."""
    known = NAMES + ENCODED if any(is_encoded(arrays, part) for part in PARTS) else NAMES
    for name in arrays:
        if name not in known:
            hint = f"{did_you_mean(name, NAMES + ENCODED)} Drop or rename it."
            raise InputError(f"{path}: no array is called {name!r} here", hint)
    for part in PARTS:
        if (f"{part}_x" in arrays) != (f"{part}_y" in arrays):
            raise InputError(f"{path}: {part}_x and {part}_y come together", "give both or neither")
        if f"{part}_x" in arrays and is_encoded(arrays, part):
            raise InputError(f"{path}: {part} is there twice, as {part}_x and as pictures", "drop one of the two")
    if "train_x" not in arrays and not is_encoded(arrays, "train"):
        raise InputError(f"{path}: there is no train_x", f"it holds {', '.join(arrays) or 'nothing'}")

    def pair(part: str) -> Pair | None:
        if is_encoded(arrays, part):
            return decoded(arrays, part, path)
        return (arrays[f"{part}_x"], arrays[f"{part}_y"]) if f"{part}_x" in arrays else None

    pairs = {part: pair(part) for part in PARTS}
    train = pairs["train"]
    assert train is not None
    return Arrays(
        *train,
        val=pairs["val"],
        cal=pairs["cal"],
        test=pairs["test"],
        head_weight=arrays.get("head_weight"),
        head_bias=arrays.get("head_bias"),
        test_soft=arrays.get("test_soft"),
        notes=(*notes, *_notes(arrays)),
    )


def _notes(arrays: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """What a reader of the record must know."""
    if "head_weight" in arrays and not all(f"{part}_x" in arrays for part in ("val", "cal")):
        yield SEEN
    lossy = [part for part in PARTS if f"{part}_jpeg" in arrays]
    if lossy:
        yield LOSSY.format(parts=" and ".join(lossy))
    if "class_names" in arrays:
        yield f"classes in order: {', '.join(map(str, arrays['class_names'].ravel().tolist()))}"
