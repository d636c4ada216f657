"""Image files as arrays, decoded by Pillow."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from calibench import InputError, Param
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGE_PARAMS = (
    Param("colour", "str", "rgb", "three channels, or one of brightness", choices=("rgb", "grey")),
    Param(
        "size",
        "int",
        None,
        "side that every image is scaled to; not set: all images must have one shape",
        "pixels",
        minimum=2,
        maximum=1024,
    ),
)

EIGHT_BIT = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
"""Pillow's modes of at most 8 bits a value. An image with more bits would lose some, so it is refused."""


FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "PPM", "GIF", "TIFF")
"""Formats that are read, recognised by content. Some of Pillow's other readers start programs."""


def pillow() -> Any:
    """The module PIL.Image; InputError that names the extra if Pillow is not installed."""
    try:
        from PIL import Image
    except ImportError:
        raise InputError("Pillow, which reads images, is not installed", 'pip install "calibench[vision]"') from None
    return Image


def decode_image(content: bytes, where: str, colour: bool, size: int | None, most: int = 1 << 26) -> NDArray[np.uint8]:
    """The values 0 .. 255 of one image: `[3, H, W]` in the order red, green, blue, or `[H, W]` grey (ITU-R 601 luma).

    Transparency is dropped, a rotation that the camera noted is not applied, and only the first frame is read. `size`
    scales the image to size x size (bicubic with anti-aliasing) and ignores its proportions. InputError naming `where` if
    the content is not an image, is cut short, has more than 8 bits a value, or claims more than `most` pixels.
    """
    image_module = pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", image_module.DecompressionBombWarning)
            with image_module.open(io.BytesIO(content), formats=FORMATS) as file:
                _check_mode_and_size(file, where, most)
                image = file.convert("RGB" if colour else "L")
                if size is not None and image.size != (size, size):
                    image = image.resize((size, size), image_module.Resampling.BICUBIC)
    except InputError:
        raise
    except Exception as error:  # Pillow raises nearly anything on a damaged file
        message = f"{where}: not an image, or damaged: {error or type(error).__name__}"
        raise InputError(message, "remove it or repair it") from None
    values = np.asarray(image, dtype=np.uint8)
    return np.ascontiguousarray(values.transpose(2, 0, 1)) if colour else values


def _check_mode_and_size(file: Any, where: str, most: int) -> None:
    if file.mode not in EIGHT_BIT:
        raise InputError(f"{where}: its values have more than 8 bits (mode {file.mode})", "save it as 8-bit")
    if file.width * file.height > most:
        raise InputError(f"{where}: it claims {file.width} x {file.height} pixels", "scale it down first")


def stack_images(
    files: Iterable[tuple[str, bytes]], count: int, colour: bool, size: int | None, hint: str
) -> NDArray[np.uint8]:
    """`count` images as one array `[count, ...]`, from `(where, content)` of each.

    InputError with `hint` for an image of another size than the first. `count` is at least 1.
    """
    rows: NDArray[np.uint8] | None = None
    first = ""
    for row, (where, content) in enumerate(files):
        image = decode_image(content, where, colour, size)
        if rows is None:
            rows, first = np.empty((count, *image.shape), dtype=np.uint8), where
        refuse_other_size(image, rows[0], where, first, hint)
        rows[row] = image
    assert rows is not None
    return rows


def refuse_other_size(
    image: NDArray[np.uint8], first: NDArray[np.uint8], where: str, where_first: str, hint: str
) -> None:
    """InputError unless two images have the same height and width."""
    if image.shape != first.shape:
        sizes = [" x ".join(map(str, values.shape[-2:])) for values in (image, first)]
        raise InputError(f"{where} has {sizes[0]} pixels, {where_first} {sizes[1]}", hint)


def scaling_note(size: int) -> str:
    """The record's note on the parameter `size`."""
    return f"images of another size were scaled to {size} x {size}, bicubic"
