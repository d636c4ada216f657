"""Pictures inside an `.npz`, as the bytes of their files: a tenth of the size, and what a network saw to the bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from calibench import InputError
from calibench.data.arrays import Pair
from calibench.lazy import np
from calibench_datasets.sources.pictures import stacked

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("jpeg", "png")

LOSSY = (
    "the pictures of {parts} are stored as JPEG: a network that was trained on lossless ones meets a shift here, and figures on "
    "the lossless set are others"
)


def encoded_names(part: str) -> tuple[str, ...]:
    """What the arrays of a split are called: `train_jpeg` or `train_png`, `train_offsets`, `train_label`."""
    return (*(f"{part}_{kind}" for kind in FORMATS), f"{part}_offsets", f"{part}_label")


def is_encoded(arrays: Mapping[str, Any], part: str) -> bool:
    """Whether the split's pictures are there as bytes."""
    return any(name in arrays for name in encoded_names(part))


def decoded(arrays: Mapping[str, NDArray[Any]], part: str, where: str) -> Pair:
    """The split's pictures `[N, 3, H, W]`, values 0 .. 255, and its labels `[N]`.

    Picture i is the bytes `offsets[i]` to `offsets[i + 1]` of `train_jpeg [B]` uint8; offsets is `[N + 1]`. InputError
    for arrays that are missing or do not fit together, and for a row that is no picture or has another shape.
    """
    bytes_, offsets, labels = _parts(arrays, part, where)
    spans = enumerate(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))
    files = ((f"{where}: picture {row} of {part}", bytes_[start:end].tobytes()) for row, (start, end) in spans)
    return stacked(files, len(labels), colour=True, size=None, hint="scale all to one size"), labels


def _parts(
    arrays: Mapping[str, NDArray[Any]], part: str, where: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[Any]]:
    kinds = [kind for kind in FORMATS if f"{part}_{kind}" in arrays]
    needed = [f"{part}_{kinds[0] if kinds else FORMATS[0]}", f"{part}_offsets", f"{part}_label"]
    missing = [name for name in needed if name not in arrays]
    if missing or len(kinds) > 1:
        what = f"there is no {missing[0]}" if missing else f"there are both {part}_jpeg and {part}_png"
        raise InputError(f"{where}: {what}", f"pictures as bytes are three arrays: {', '.join(needed)}")
    bytes_, offsets, labels = (arrays[name] for name in needed)
    if bytes_.dtype != np.uint8 or bytes_.ndim != 1:
        raise InputError(f"{where}: {needed[0]} is {list(bytes_.shape)} {bytes_.dtype}", "store bytes: [B] uint8")
    if offsets.dtype.kind not in "iu" or offsets.ndim != 1 or labels.ndim != 1 or len(offsets) != len(labels) + 1:
        message = f"{where}: {needed[1]} is {list(offsets.shape)} {offsets.dtype}, and {needed[2]} {list(labels.shape)}"
        raise InputError(message, "offsets are whole numbers [N + 1], labels [N]")
    at = offsets.astype(np.int64)
    if len(labels) == 0 or at[0] < 0 or at[-1] > len(bytes_) or (np.diff(at) <= 0).any():
        message = f"{where}: {needed[1]} does not rise from 0 or more to at most {len(bytes_)}"
        raise InputError(message, f"picture i is {needed[0]}[offsets[i]:offsets[i + 1]]")
    return bytes_, at, labels
