"""Weather corruptions of Hendrycks & Dietterich (ICLR 2019), with the severities of CIFAR-10-C.

Each has the arguments and the result of those in `corrupt_noise`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from calibench import InputError
from calibench.lazy import np
from calibench_datasets.readers.image_files import decode_image, pillow
from calibench_datasets.shift.corrupt_blur import smear, zoom
from calibench_datasets.shift.corrupt_noise import to_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Bytes: TypeAlias = "NDArray[np.uint8]"

SNOW = (
    (0.1, 0.2, 1.0, 0.6, 8.0, 3.0, 0.95),
    (0.1, 0.2, 1.0, 0.5, 10.0, 4.0, 0.9),
    (0.15, 0.3, 1.75, 0.55, 10.0, 4.0, 0.9),
    (0.25, 0.3, 2.25, 0.6, 12.0, 6.0, 0.85),
    (0.3, 0.3, 1.25, 0.65, 14.0, 12.0, 0.8),
)
"""Mean and SD of the flakes, their size, the least brightness, radius and SD of their trail, weight of the unpaled image."""

FROST = ((1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))
"""Weights of the image and of the frost."""

FOG = ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75))
"""Weight of the fog, and the factor by which its wobble decays with each halving of the scale."""

BRIGHTER = (0.05, 0.1, 0.15, 0.2, 0.3)

LUMA = (0.299, 0.587, 0.114)
ICE_TINT = (0.80, 0.92, 1.0)
ICE_DECAY = 1.75
REDUCTION = 5
"""The authors reduce their frost images five times."""

FROST_ENDINGS = frozenset({".png", ".jpg", ".jpeg"})


def plasma(n: int, side: int, decay: float, generator: np.random.Generator) -> Floats:
    """Height maps `[n, side, side]` in [0, 1] by the diamond-square algorithm on a torus; `side` is a power of two.

    The mean of four neighbours plus `w U(-w, w)`, with w 100 at first and divided by `decay` at each halving of the step.
    """
    heights = np.zeros((n, side, side))
    step, wobble = side, 100.0

    def mean(total: Floats) -> Floats:
        return total / 4 + wobble * generator.uniform(-wobble, wobble, total.shape)

    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=1)
        heights[:, half::step, half::step] = mean(pairs + np.roll(pairs, -1, axis=2))
        middles = heights[:, half::step, half::step]
        upright = middles + np.roll(middles, 1, axis=1) + corners + np.roll(corners, -1, axis=2)
        heights[:, ::step, half::step] = mean(upright)
        level = middles + np.roll(middles, 1, axis=2) + corners + np.roll(corners, -1, axis=1)
        heights[:, half::step, ::step] = mean(level)
        step, wobble = half, wobble / decay
    heights -= heights.min(axis=(1, 2), keepdims=True)
    return np.asarray(heights / heights.max(axis=(1, 2), keepdims=True))


def _plasma_for(x: Floats, decay: float, generator: np.random.Generator) -> Floats:
    """One map for each image, cut to its height and width, `[n, 1, H, W]`."""
    height, width = x.shape[2:]
    side = 1 << (max(height, width) - 1).bit_length()
    return plasma(len(x), side, decay, generator)[:, None, :height, :width]


def fog(x: Floats, parameter: tuple[float, float], generator: np.random.Generator) -> Floats:
    """`(x + c plasma) m / (m + c)` with m the largest value of the image."""
    weight, decay = parameter
    most = x.max(axis=(1, 2, 3), keepdims=True)
    return to_bytes((x + weight * _plasma_for(x, decay, generator)) * most / (most + weight))


def snow(x: Floats, parameter: tuple[float, ...], generator: np.random.Generator) -> Floats:
    """Flakes that fall along an angle in [-135, -45] degrees, and the same flakes upside down, over a paler image."""
    mean, sd, size, darkest, radius, fall, weight = parameter
    flakes = zoom(generator.normal(mean, sd, size=(len(x), 1, *x.shape[2:])), size)
    flakes[flakes < darkest] = 0
    flakes = np.floor(np.clip(flakes, 0, 1) * 255) / 255  # whole bytes, as the authors' programs exchange them
    flakes = np.floor(smear(flakes, radius, fall, generator.uniform(-135, -45, size=len(x))) * 255 + 0.5) / 255
    grey = x if x.shape[1] == 1 else np.tensordot(x, LUMA, axes=([1], [0]))[:, None]
    pale = weight * x + (1 - weight) * np.maximum(x, grey * 1.5 + 0.5)
    return to_bytes(pale + flakes + flakes[:, :, ::-1, ::-1])


def frost(
    x: Floats, parameter: tuple[float, float], generator: np.random.Generator, frost_images: list[Bytes] | None = None
) -> Floats:
    """`a x + b frost`: the frost is a random crop of one of `frost_images [C, H, W]`, or a bluish plasma if there are none."""
    image_weight, frost_weight = parameter
    if frost_images is None:
        tint = np.ones(1) if x.shape[1] == 1 else np.array(ICE_TINT)
        plasma_frost = 255 * _plasma_for(x, ICE_DECAY, generator) * tint[None, :, None, None]
        return np.clip(image_weight * 255 * x + frost_weight * plasma_frost, 0, 255)
    frosted = np.empty_like(x)
    height, width = x.shape[2:]
    for row, number in enumerate(generator.integers(len(frost_images), size=len(x))):
        whole = frost_images[number]
        top, left = (generator.integers(0, whole.shape[1] - height), generator.integers(0, whole.shape[2] - width))
        crop = whole[:, top : top + height, left : left + width]
        frosted[row] = image_weight * 255 * x[row] + frost_weight * crop
    return np.clip(frosted, 0, 255)


def read_frost_images(folder: str, shape: tuple[int, ...], where: str) -> list[Bytes]:
    """The images of a folder in order of name, `[C, H, W]`, reduced five times; InputError unless each is larger than `shape`.

    Reduction takes the middle one of every five pixels, as bilinear reduction by exactly five does.
    """
    pillow()
    try:
        files = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in FROST_ENDINGS)
        contents = [path.read_bytes() for path in files]
    except OSError as error:
        message = f"{where}: cannot read frost={folder}: {error.strerror or error}"
        raise InputError(message, "name the folder that holds frost1.png, frost2.png, ...") from None
    if not files:
        raise InputError(f"{where}: frost={folder} holds no .png or .jpg", "put the frost images there")
    return [_reduced(content, shape, f"{where}: {str(path)!r}") for path, content in zip(files, contents, strict=True)]


def _reduced(content: bytes, shape: tuple[int, ...], where: str) -> Bytes:
    image = decode_image(content, where, shape[0] == 3, None)
    middle = slice(REDUCTION // 2, None, REDUCTION)
    reduced = (image if image.ndim == 3 else image[None])[:, middle, middle]
    if reduced.shape[1] <= shape[1] or reduced.shape[2] <= shape[2]:
        message = f"{where}, reduced {REDUCTION} times, is not larger than the data's images"
        raise InputError(message, "use the authors' frost images")
    return reduced


def brightness(x: Floats, more: float, generator: np.random.Generator) -> Floats:
    """The value V of HSV, the largest channel, raised by `more` and cut at 1; hue and saturation stay."""
    value = x.max(axis=1, keepdims=True)
    raised = np.minimum(value + more, 1)
    ratio = np.divide(x, value, out=np.ones_like(x), where=value > 0)
    return to_bytes(ratio * raised)
