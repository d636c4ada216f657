"""`npz`: the user's own arrays from one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from calibench import REQUIRED, Arrays, DatasetSpec, InputError, Param
from calibench.data.arrays import Pair
from calibench.data.numpy_files import read_npz
from calibench.errors import did_you_mean
from calibench_datasets.readers.image_bytes import LOSSY_NOTE, array_names, decode_split, has_image_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS = ("train", "val", "cal", "test")
NAMES = (*(f"{part}_{axis}" for part in PARTS for axis in "xy"), "head_weight", "head_bias", "test_soft", "class_names")
IMAGE_BYTES_NAMES = tuple(name for part in PARTS for name in array_names(part))

TRAINING_ROWS_NOTE = (
    "val or cal are rows of train_x: if the given network was trained on them, its outputs there are better than on new "
    "rows, and methods that are fitted on them are too confident"
)


SPEC = DatasetSpec(
    name="npz",
    target=f"{__name__}:npz",
    summary="Your own arrays: train_x train_y test_x test_y, optionally val_* cal_* head_* test_soft class_names.",
    params=(
        Param(
            "path",
            "path",
            REQUIRED,
            "an .npz file with train_x [N, ...] and train_y [N], or images as bytes: train_jpeg or train_png [B], "
            "train_offsets [N + 1], train_label [N]; the rest is optional",
        ),
    ),
    licence="yours",
    source="the file; for a trained network x is its features and head_weight [K, D], head_bias [K] its last layer",
)


def npz(path: str) -> Arrays:
    """`train_x [N, ...]`, `train_y [N]`, and any of test, val, cal, head_weight, head_bias, test_soft, class_names in the file.

    A split may also be images as the bytes of their files (`calibench_datasets.readers.image_bytes`).
    InputError for an array with another name, for x without y or y without x, and for a file that cannot be read.
    """
    return named_arrays(read_npz(path), path)


def named_arrays(arrays: Mapping[str, NDArray[Any]], path: str, notes: tuple[str, ...] = ()) -> Arrays:
    """`Arrays` from arrays called as in `NAMES` and `IMAGE_BYTES_NAMES`; `path` is for messages."""
    _check_names(arrays, path)
    pairs = {part: _pair(arrays, part, path) for part in PARTS}
    train = pairs["train"]
    if train is None:
        raise InputError(f"{path}: there is no train_x", f"it holds {', '.join(arrays) or 'nothing'}")
    return Arrays(
        *train,
        val=pairs["val"],
        cal=pairs["cal"],
        test=pairs["test"],
        head_weight=arrays.get("head_weight"),
        head_bias=arrays.get("head_bias"),
        test_soft=arrays.get("test_soft"),
        notes=(*notes, *_notes(arrays)),
        class_names=tuple(map(str, arrays["class_names"].ravel().tolist())) if "class_names" in arrays else (),
    )


def _check_names(arrays: Mapping[str, NDArray[Any]], path: str) -> None:
    """InputError for a name without a meaning, for half of a pair, and for a split that is there as rows and as bytes."""
    allowed = NAMES + IMAGE_BYTES_NAMES if any(has_image_bytes(arrays, part) for part in PARTS) else NAMES
    for name in arrays:
        if name not in allowed:
            hint = f"{did_you_mean(name, NAMES + IMAGE_BYTES_NAMES)} Drop or rename it."
            raise InputError(f"{path}: no array is called {name!r} here", hint)
    for part in PARTS:
        if (f"{part}_x" in arrays) != (f"{part}_y" in arrays):
            raise InputError(f"{path}: {part}_x and {part}_y come together", "give both or neither")
        if f"{part}_x" in arrays and has_image_bytes(arrays, part):
            raise InputError(f"{path}: {part} is there twice, as {part}_x and as images", "drop one of the two")


def _pair(arrays: Mapping[str, NDArray[Any]], part: str, path: str) -> Pair | None:
    if has_image_bytes(arrays, part):
        return decode_split(arrays, part, path)
    return (arrays[f"{part}_x"], arrays[f"{part}_y"]) if f"{part}_x" in arrays else None


def _notes(arrays: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """Notes that a reader of the record needs."""
    if "head_weight" in arrays and not all(f"{part}_x" in arrays for part in ("val", "cal")):
        yield TRAINING_ROWS_NOTE
    lossy = [part for part in PARTS if f"{part}_jpeg" in arrays]
    if lossy:
        yield LOSSY_NOTE.format(parts=" and ".join(lossy))
    if "class_names" in arrays:
        yield f"classes in order: {', '.join(map(str, arrays['class_names'].ravel().tolist()))}"
