"""`corruptions`: the fifteen of CIFAR-10-C, generated for any images with the published severities."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from calibench import Param, ShiftSpec, Variant
from calibench.data.shift import Shifted, ShiftTask
from calibench.lazy import np
from calibench_datasets.readers.image_files import pillow
from calibench_datasets.shift import corrupt_blur as blur
from calibench_datasets.shift import corrupt_digital as digital
from calibench_datasets.shift import corrupt_noise as noise
from calibench_datasets.shift import corrupt_weather as weather
from calibench_datasets.shift.corruption_names import KINDS, MEAN_OVER, choose_kinds, choose_severities
from calibench_datasets.shift.image_rows import image_rows, white_value
from calibench_datasets.shift.parameters import HENDRYCKS, KINDS_PARAM, SEVERITIES_PARAM, seed_param

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = 500
"""Images that are corrupted at a time."""

Corruption: TypeAlias = "Callable[[NDArray[np.float64], Any, np.random.Generator], NDArray[np.float64]]"

TABLE: dict[str, tuple[Corruption, tuple[Any, ...]]] = {
    "gaussian_noise": (noise.gaussian_noise, noise.GAUSSIAN_SD),
    "shot_noise": (noise.shot_noise, noise.SHOT_COUNT),
    "impulse_noise": (noise.impulse_noise, noise.IMPULSE_SHARE),
    "defocus_blur": (blur.defocus_blur, blur.DEFOCUS),
    "glass_blur": (blur.glass_blur, blur.GLASS),
    "motion_blur": (blur.motion_blur, blur.MOTION),
    "zoom_blur": (blur.zoom_blur, blur.ZOOM_END),
    "snow": (weather.snow, weather.SNOW),
    "frost": (weather.frost, weather.FROST),
    "fog": (weather.fog, weather.FOG),
    "brightness": (weather.brightness, weather.BRIGHTER),
    "contrast": (digital.contrast, digital.CONTRAST),
    "elastic_transform": (digital.elastic_transform, digital.ELASTIC),
    "pixelate": (digital.pixelate, digital.PIXELATE),
    "jpeg_compression": (digital.jpeg_compression, digital.JPEG_QUALITY),
}
"""The function of each kind, and its parameter at severity 1 to 5."""


SPEC = ShiftSpec(
    name="corruptions",
    target=f"{__name__}:corruptions",
    summary="The 15 corruptions x 5 severities of CIFAR-10-C, generated for images in [0, 1] or 0 .. 255; extra vision.",
    params=(
        KINDS_PARAM,
        SEVERITIES_PARAM,
        Param("frost", "path", None, "a folder of the authors' frost images; not set: frost is generated"),
        seed_param("the corruptions"),
    ),
    paper=HENDRYCKS,
    source="the definitions and CIFAR severities of the authors' make_cifar_c.py, for images of any size",
    mean_over=MEAN_OVER,
    deviations=(
        "frost without the authors' photographs is a bluish plasma of the same weight, which is milder",
        "random numbers are drawn by numpy's PCG64, so images equal the published ones in kind, not in every pixel",
        "motion_blur and snow smear in float64 by ImageMagick's offsets and weights, without its rounding",
        "elastic_transform interpolates in float64, where OpenCV's affine map rounds to 1/32 of a pixel",
        "lengths in pixels (blur, motion, glass) are those for 32 x 32, whatever the size",
        "grey images stay grey, and brightness raises their one channel",
    ),
)


def corruptions(
    task: ShiftTask, kinds: str | None, severities: tuple[int, ...] | None, frost: str | None, seed: int
) -> Shifted:
    """Each kind at each severity of the test images, in whole bytes as the published files are, scaled as the data is.

    A variant depends on the images, its kind, its severity and the seed, and not on the other kinds. InputError for rows that
    are not images in [0, 1] or 0 .. 255, and if Pillow, which two of the kinds need, is missing.
    """
    where = "shift corruptions"
    names = choose_kinds(kinds, KINDS, where)
    levels = choose_severities(severities, where)
    images, white = image_rows(task, where), white_value(task, where)
    if {"pixelate", "jpeg_compression"} & set(names):
        pillow()
    table, digest, notes = dict(TABLE), "", []
    if frost is not None:
        frost_images = weather.read_frost_images(frost, images.shape[1:], where)
        digest = hashlib.sha256(b"".join(image.tobytes() for image in frost_images)).hexdigest()
        table["frost"] = (partial(weather.frost, frost_images=frost_images), weather.FROST)
        notes.append(f"frost from {len(frost_images)} images")
    elif "frost" in names:
        notes.append("frost is generated, not the authors' photographs")
    variants = []
    for kind in names:
        function, parameters = table[kind]
        for level in levels:
            sequence = np.random.SeedSequence((seed, KINDS.index(kind), level))
            x = partial(corrupt, images, white, function, parameters[level - 1], sequence, task.x.shape)
            variants.append(Variant(kind, level, x))
    return Shifted(variants, tuple(notes), digest)


def corrupt(
    images: NDArray[np.float32],
    white: float,
    function: Corruption,
    parameter: Any,
    sequence: np.random.SeedSequence,
    shape: tuple[int, ...],
) -> NDArray[np.float32]:
    """`images [n, C, H, W]` in [0, white], corrupted, cut to whole bytes (as numpy.uint8 does), scaled back, in `shape`."""
    generator = np.random.default_rng(sequence)
    rows = np.empty(images.shape, dtype=np.float32)
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH].astype(np.float64) / white
        rows[start : start + BATCH] = function(batch, parameter, generator).astype(np.uint8)
    return (rows * np.float32(white / 255)).reshape(shape)
