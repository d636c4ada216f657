"""Weather corruptions of Hendrycks & Dietterich (ICLR 2019), with the severities of CIFAR-10-C; as in `corrupt_noise`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from calibench import InputError
from calibench.lazy import np
from calibench_datasets.shift.corrupt_blur import dragged, zoomed
from calibench_datasets.shift.corrupt_noise import bytes_of
from calibench_datasets.sources.pictures import picture, pillow

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
"""Mean and SD of the flakes, their size, the darkest kept, radius and SD of their fall, what is left of the picture."""

FROST = ((1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))
"""Weights of the picture and of the frost."""

FOG = ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75))
"""Weight of the fog, and by what its wobble falls with each halving of the scale."""

BRIGHTER = (0.05, 0.1, 0.15, 0.2, 0.3)

LUMA = (0.299, 0.587, 0.114)
ICE_TINT = (0.80, 0.92, 1.0)
ICE_DECAY = 1.75
REDUCTION = 5
"""The authors' frost pictures are reduced five times."""

PICTURES = frozenset({".png", ".jpg", ".jpeg"})


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
        beside = corners + np.roll(corners, -1, axis=1)
        heights[:, half::step, half::step] = mean(beside + np.roll(beside, -1, axis=2))
        middles = heights[:, half::step, half::step]
        upright = middles + np.roll(middles, 1, axis=1) + corners + np.roll(corners, -1, axis=2)
        heights[:, ::step, half::step] = mean(upright)
        level = middles + np.roll(middles, 1, axis=2) + corners + np.roll(corners, -1, axis=1)
        heights[:, half::step, ::step] = mean(level)
        step, wobble = half, wobble / decay
    heights -= heights.min(axis=(1, 2), keepdims=True)
    return np.asarray(heights / heights.max(axis=(1, 2), keepdims=True))


def _plasma_for(x: Floats, decay: float, generator: np.random.Generator) -> Floats:
    """One map for each picture, cut to its height and width, `[n, 1, H, W]`."""
    height, width = x.shape[2:]
    side = 1 << (max(height, width) - 1).bit_length()
    return plasma(len(x), side, decay, generator)[:, None, :height, :width]


def fog(x: Floats, parameter: tuple[float, float], generator: np.random.Generator) -> Floats:
    """`(x + c plasma) m / (m + c)` with m the largest value of the picture."""
    weight, decay = parameter
    most = x.max(axis=(1, 2, 3), keepdims=True)
    return bytes_of((x + weight * _plasma_for(x, decay, generator)) * most / (most + weight))


def snow(x: Floats, parameter: tuple[float, ...], generator: np.random.Generator) -> Floats:
    """Flakes, falling along an angle in [-135, -45] degrees, over a picture that is paler; and the same upside down."""
    mean, sd, size, darkest, radius, fall, left = parameter
    flakes = zoomed(generator.normal(mean, sd, size=(len(x), 1, *x.shape[2:])), size)
    flakes[flakes < darkest] = 0
    flakes = np.floor(np.clip(flakes, 0, 1) * 255) / 255  # bytes, as between the authors' two programs
    flakes = np.floor(dragged(flakes, radius, fall, generator.uniform(-135, -45, size=len(x))) * 255 + 0.5) / 255
    grey = x if x.shape[1] == 1 else np.tensordot(x, LUMA, axes=([1], [0]))[:, None]
    pale = left * x + (1 - left) * np.maximum(x, grey * 1.5 + 0.5)
    return bytes_of(pale + flakes + flakes[:, :, ::-1, ::-1])


def frost(
    x: Floats, parameter: tuple[float, float], generator: np.random.Generator, pictures: list[Bytes] | None = None
) -> Floats:
    """`a x + b frost`, the frost a random piece of one of the pictures `[C, H, W]`, or without them a bluish plasma."""
    own, ice = parameter
    if pictures is None:
        tint = np.ones(1) if x.shape[1] == 1 else np.array(ICE_TINT)
        frosted = 255 * _plasma_for(x, ICE_DECAY, generator) * tint[None, :, None, None]
        return np.clip(own * 255 * x + ice * frosted, 0, 255)
    found = np.empty_like(x)
    height, width = x.shape[2:]
    for row, chosen in enumerate(generator.integers(len(pictures), size=len(x))):
        whole = pictures[chosen]
        top, side = (generator.integers(0, whole.shape[1] - height), generator.integers(0, whole.shape[2] - width))
        found[row] = own * 255 * x[row] + ice * whole[:, top : top + height, side : side + width]
    return np.clip(found, 0, 255)


def frost_pictures(folder: str, shape: tuple[int, ...], where: str) -> list[Bytes]:
    """The pictures of a folder by name, `[C, H, W]` reduced five times; InputError unless each is larger than `shape`.

    As bilinear reduction by exactly five reads them: the middle one of every five pixels.
    """
    pillow()
    try:
        files = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in PICTURES)
        contents = [path.read_bytes() for path in files]
    except OSError as error:
        message = f"{where}: cannot read frost={folder}: {error.strerror or error}"
        raise InputError(message, "name the folder that holds frost1.png, frost2.png, ...") from None
    if not files:
        raise InputError(f"{where}: frost={folder} holds no .png or .jpg", "put the frost pictures there")
    found = []
    for path, content in zip(files, contents, strict=True):
        whole = picture(content, f"{where}: {str(path)!r}", shape[0] == 3, None)
        whole = (whole if whole.ndim == 3 else whole[None])[:, REDUCTION // 2 :: REDUCTION, REDUCTION // 2 :: REDUCTION]
        if whole.shape[1] <= shape[1] or whole.shape[2] <= shape[2]:
            message = f"{where}: {str(path)!r}, reduced {REDUCTION} times, is not larger than the data's pictures"
            raise InputError(message, "use the authors' frost pictures")
        found.append(whole)
    return found


def brightness(x: Floats, more: float, generator: np.random.Generator) -> Floats:
    """The value V of HSV, the largest channel, raised by `more` and cut at 1; hue and saturation stay."""
    value = x.max(axis=1, keepdims=True)
    raised = np.minimum(value + more, 1)
    ratio = np.divide(x, value, out=np.ones_like(x), where=value > 0)
    return bytes_of(ratio * raised)
