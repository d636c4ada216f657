"""`corruptions`: the fifteen of CIFAR-10-C, generated for any pictures with the published severities."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from calibench import Param, ShiftSpec, Variant
from calibench.data.shift import Shifted, ShiftTask
from calibench.lazy import np
from calibench_datasets.shift import corrupt_blur as blur
from calibench_datasets.shift import corrupt_digital as digital
from calibench_datasets.shift import corrupt_noise as noise
from calibench_datasets.shift import corrupt_weather as weather
from calibench_datasets.shift.corruption_names import KINDS, MEAN_OVER, asked_kinds, asked_severities
from calibench_datasets.shift.parameters import HENDRYCKS, KINDS_PARAM, SEVERITIES_PARAM, seed_of
from calibench_datasets.shift.pixels import as_images, white
from calibench_datasets.sources.pictures import pillow

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 500
"""Pictures that are corrupted at a time."""

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
"""What makes each, and its parameter at severity 1 to 5."""


SPEC = ShiftSpec(
    name="corruptions",
    target=f"{__name__}:corruptions",
    summary="The 15 corruptions x 5 severities of CIFAR-10-C, generated for pictures in [0, 1] or 0 .. 255; extra vision.",
    params=(
        KINDS_PARAM,
        SEVERITIES_PARAM,
        Param("frost", "path", None, "a folder of the authors' frost pictures; not set: frost is generated"),
        seed_of("the corruptions"),
    ),
    paper=HENDRYCKS,
    source="the definitions and CIFAR severities of the authors' make_cifar_c.py, for every size of picture",
    mean_over=MEAN_OVER,
    deviations=(
        "frost without the authors' photographs is a bluish plasma of the same weight, which is milder",
        "random numbers are drawn by numpy's PCG64, so pictures equal the published ones in kind, not in every pixel",
        "motion_blur and snow smear in float64 by ImageMagick's offsets and weights, without its rounding",
        "elastic_transform interpolates in float64, where OpenCV's affine map rounds to 1/32 of a pixel",
        "lengths in pixels (blur, motion, glass) are those for 32 x 32, whatever the size",
        "grey pictures stay grey, and brightness raises their one channel",
    ),
)


def corruptions(
    task: ShiftTask, kinds: str | None, severities: tuple[int, ...] | None, frost: str | None, seed: int
) -> Shifted:
    """Each kind at each severity of the test pictures, in bytes as the published files are, scaled as the data is.

    Equal pictures, seeds, kinds and severities give equal corruptions, whatever else was asked for. InputError for rows
    that are no pictures in [0, 1] or 0 .. 255, and where Pillow, which two of the kinds need, is missing.
    """
    where = "shift corruptions"
    chosen = asked_kinds(kinds, KINDS, KINDS, where)
    levels = asked_severities(severities, where)
    images, top = as_images(task, where), white(task, where)
    if {"pixelate", "jpeg_compression"} & set(chosen):
        pillow()
    table, files, notes = dict(TABLE), "", []
    if frost is not None:
        pictures = weather.frost_pictures(frost, images.shape[1:], where)
        files = hashlib.sha256(b"".join(held.tobytes() for held in pictures)).hexdigest()
        table["frost"] = (partial(weather.frost, pictures=pictures), weather.FROST)
        notes.append(f"frost from {len(pictures)} pictures")
    elif "frost" in chosen:
        notes.append("frost is generated, not the authors' photographs")
    variants = []
    for kind in chosen:
        make, parameters = table[kind]
        for level in levels:
            sequence = np.random.SeedSequence((seed, KINDS.index(kind), level))
            x = partial(corrupted, images, top, make, parameters[level - 1], sequence, task.x.shape)
            variants.append(Variant(kind, level, x))
    return Shifted(variants, tuple(notes), files)


def corrupted(
    images: NDArray[np.float32],
    top: float,
    make: Corruption,
    parameter: Any,
    sequence: np.random.SeedSequence,
    shape: tuple[int, ...],
) -> NDArray[np.float32]:
    """`images [n, C, H, W]` in [0, top], corrupted, cut to whole bytes (as numpy.uint8 does) and scaled back to `shape`."""
    generator = np.random.default_rng(sequence)
    found = np.empty(images.shape, dtype=np.float32)
    for start in range(0, len(images), ROWS):
        part = images[start : start + ROWS].astype(np.float64) / top
        found[start : start + ROWS] = make(part, parameter, generator).astype(np.uint8)
    return (found * np.float32(top / 255)).reshape(shape)
