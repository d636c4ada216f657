"""Images in an `.npz` as the bytes of their files: a tenth of the size, and exactly the pixels that a network saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from calibench import InputError
from calibench.data.arrays import Pair
from calibench.lazy import np
from calibench_datasets.readers.image_files import stack_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("jpeg", "png")

LOSSY_NOTE = (
    "the images of {parts} are stored as JPEG: to a network that was trained on lossless images this is a shift, and its "
    "figures differ from those on the lossless set"
)


def array_names(part: str) -> tuple[str, ...]:
    """The names of a split's arrays: `train_jpeg` or `train_png`, `train_offsets`, `train_label`."""
    return (*(f"{part}_{kind}" for kind in FORMATS), f"{part}_offsets", f"{part}_label")


def has_image_bytes(arrays: Mapping[str, Any], part: str) -> bool:
    """True if the split's images are stored as bytes."""
    return any(name in arrays for name in array_names(part))


def decode_split(arrays: Mapping[str, NDArray[Any]], part: str, where: str) -> Pair:
    """The split's images `[N, 3, H, W]`, values 0 .. 255, and its labels `[N]`.

    Image i is the bytes `offsets[i]` to `offsets[i + 1]` of `train_jpeg [B]` uint8; offsets is `[N + 1]`. InputError if
    arrays are missing or do not fit together, or if a row is not an image or has another shape.
    """
    names = _names_in_file(arrays, part, where)
    content, offsets, labels = (arrays[name] for name in names)
    _check_arrays(content, offsets, labels, names, where)
    bounds = offsets.astype(np.int64)
    _check_bounds(bounds, len(content), names, where)
    spans = enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
    files = ((f"{where}: image {row} of {part}", content[start:end].tobytes()) for row, (start, end) in spans)
    return stack_images(files, len(labels), colour=True, size=None, hint="scale all to one size"), labels


def _names_in_file(arrays: Mapping[str, NDArray[Any]], part: str, where: str) -> list[str]:
    """The names of the split's bytes, offsets and labels; InputError if one is missing, or for two formats."""
    kinds = [kind for kind in FORMATS if f"{part}_{kind}" in arrays]
    names = [f"{part}_{kinds[0] if kinds else FORMATS[0]}", f"{part}_offsets", f"{part}_label"]
    missing = [name for name in names if name not in arrays]
    if missing or len(kinds) > 1:
        problem = f"there is no {missing[0]}" if missing else f"there are both {part}_jpeg and {part}_png"
        raise InputError(f"{where}: {problem}", f"images as bytes are three arrays: {', '.join(names)}")
    return names


def _check_arrays(
    content: NDArray[Any], offsets: NDArray[Any], labels: NDArray[Any], names: list[str], where: str
) -> None:
    if content.dtype != np.uint8 or content.ndim != 1:
        raise InputError(f"{where}: {names[0]} is {list(content.shape)} {content.dtype}", "store bytes: [B] uint8")
    if offsets.dtype.kind not in "iu" or offsets.ndim != 1 or labels.ndim != 1 or len(offsets) != len(labels) + 1:
        message = f"{where}: {names[1]} is {list(offsets.shape)} {offsets.dtype}, and {names[2]} {list(labels.shape)}"
        raise InputError(message, "offsets are whole numbers [N + 1], labels [N]")


def _check_bounds(bounds: NDArray[np.int64], size: int, names: list[str], where: str) -> None:
    if len(bounds) == 1 or bounds[0] < 0 or bounds[-1] > size or (np.diff(bounds) <= 0).any():
        message = f"{where}: {names[1]} does not rise from 0 or more to at most {size}"
        raise InputError(message, f"image i is {names[0]}[offsets[i]:offsets[i + 1]]")
