"""One picture file to one array, by Pillow; shared by `tiny-imagenet` and `images`."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from calibench import InputError, Param
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURE = (
    Param("colour", "str", "rgb", "three channels, or one of brightness", choices=("rgb", "grey")),
    Param(
        "size",
        "int",
        None,
        "side that every picture is scaled to; not set: all have one shape",
        "pixels",
        minimum=2,
        maximum=1024,
    ),
)

EIGHT_BIT = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
"""Pillow's modes of at most 8 bits a value; a picture of more would be cut, and is refused."""


FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "PPM", "GIF", "TIFF")
"""What is read, by content; some of Pillow's other readers start programs."""


def pillow() -> Any:
    """The module PIL.Image; InputError that names the extra where Pillow is not installed."""
    try:
        from PIL import Image
    except ImportError:
        raise InputError("Pillow, which reads pictures, is not installed", 'pip install "calibench[vision]"') from None
    return Image


def picture(content: bytes, where: str, colour: bool, size: int | None, most: int = 1 << 26) -> NDArray[np.uint8]:
    """A picture's values 0 .. 255, `[3, H, W]` in the order red, green, blue, or `[H, W]` grey (ITU-R 601 luma).

    Transparency is dropped, a rotation that a camera noted is not applied, and of several frames the first is taken. With
    `size` the picture is scaled to size x size (bicubic with anti-aliasing), whatever its proportions. InputError naming
    `where` for what is no picture, is cut short, has more than 8 bits a value, or claims more than `most` pixels.
    """
    image = pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", image.DecompressionBombWarning)
            with image.open(io.BytesIO(content), formats=FORMATS) as opened:
                if opened.mode not in EIGHT_BIT:
                    raise InputError(
                        f"{where}: its values have more than 8 bits (mode {opened.mode})", "save it as 8-bit"
                    )
                if opened.width * opened.height > most:
                    message = f"{where}: it claims {opened.width} x {opened.height} pixels"
                    raise InputError(message, "scale it down first")
                found = opened.convert("RGB" if colour else "L")
                if size is not None and found.size != (size, size):
                    found = found.resize((size, size), image.Resampling.BICUBIC)
    except InputError:
        raise
    except Exception as error:  # Pillow raises nearly anything on a damaged file
        message = f"{where}: not a picture, or damaged: {error or type(error).__name__}"
        raise InputError(message, "drop it or mend it") from None
    values = np.asarray(found, dtype=np.uint8)
    return np.ascontiguousarray(values.transpose(2, 0, 1)) if colour else values


def stacked(
    files: Iterable[tuple[str, bytes]], count: int, colour: bool, size: int | None, hint: str
) -> NDArray[np.uint8]:
    """`count` pictures as one array, from `(where, content)` of each; InputError, with `hint`, for one of another size."""
    rows: NDArray[np.uint8] | None = None
    first = ""
    for row, (where, content) in enumerate(files):
        found = picture(content, where, colour, size)
        if rows is None:
            rows, first = np.empty((count, *found.shape), dtype=np.uint8), where
        refuse_other_size(found, rows[0], where, first, hint)
        rows[row] = found
    assert rows is not None  # callers refuse what holds no picture
    return rows


def refuse_other_size(
    found: NDArray[np.uint8], first: NDArray[np.uint8], where: str, where_first: str, hint: str
) -> None:
    """InputError unless two pictures have one height and width."""
    if found.shape != first.shape:
        sizes = [" x ".join(map(str, values.shape[-2:])) for values in (found, first)]
        raise InputError(f"{where} has {sizes[0]} pixels, {where_first} {sizes[1]}", hint)
