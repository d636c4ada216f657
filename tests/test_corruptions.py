"""The fifteen generated corruptions: their published tables, and each against its definition written for one picture at a time."""

from __future__ import annotations

import colorsys
import io
import math

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, signal

from calibench import InputError
from calibench.data.shift import ShiftTask
from calibench_datasets.shift import corrupt_blur, corrupt_digital, corrupt_noise, corrupt_weather, corruptions
from calibench_datasets.shift.corruption_names import KINDS, MEAN_OVER

PUBLISHED = {
    "gaussian_noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "shot_noise": (500, 250, 100, 75, 50),
    "impulse_noise": (0.01, 0.02, 0.03, 0.05, 0.07),
    "defocus_blur": ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    "glass_blur": ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    "motion_blur": ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    "zoom_blur": (1.06, 1.11, 1.16, 1.21, 1.26),
    "snow": (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    "frost": ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    "fog": ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    "elastic_transform": ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),
    "jpeg_compression": (80, 65, 58, 50, 40),
}
"""The CIFAR columns of the authors' make_cifar_c.py (robustness, commit ca360085); lengths of elastic_transform over 32."""


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Twelve smooth coloured pictures with sharp squares, bytes `[12, 3, 32, 32]` as float32."""
    generator = np.random.default_rng(1)
    x = ndimage.gaussian_filter(generator.normal(size=(12, 3, 32, 32)), (0, 0, 3, 3))
    x = (x - x.min()) / (x.max() - x.min())
    for row, (top, left) in enumerate(generator.integers(2, 18, size=(12, 2))):
        x[row, row % 3, top : top + 10, left : left + 10] = row % 2
    return np.rint(x * 255).astype(np.float32)


def task(x: np.ndarray) -> ShiftTask:
    return ShiftTask(x, np.zeros(len(x), dtype=np.int64), 2, 1, float(x.min()), float(x.max()))


def made(x: np.ndarray, kind: str, level: int, seed: int = 0) -> np.ndarray:
    (variant,) = corruptions.corruptions(task(x), kind, (level,), None, seed).variants
    return variant.x()


def stream(kind: str, level: int, seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence((seed, KINDS.index(kind), level)))


def near(x: np.ndarray, kind: str, level: int, expected: np.ndarray, few: float = 0.0) -> None:
    """What makes `kind` gives `expected` (in [0, 1], before it is cut to bytes) but for a share `few` that is a byte away."""
    make, parameters = corruptions.TABLE[kind]
    found = make(x.astype(np.float64) / 255, parameters[level - 1], stream(kind, level))
    gap = np.abs(found - np.clip(expected, 0, 1) * 255)
    assert gap.max() <= (1 if few else 1e-8)
    assert (gap > 1e-8).mean() <= few
    np.testing.assert_array_equal(made(x, kind, level), found.astype(np.uint8))


def test_the_tables_are_the_published_ones():
    assert tuple(PUBLISHED) == KINDS == tuple(corruptions.TABLE)
    for kind, (_, parameters) in corruptions.TABLE.items():
        assert len(parameters) == 5
        assert parameters == PUBLISHED[kind], kind
    assert len(set(MEAN_OVER)) == 75


def test_seventy_five_variants_whose_pictures_hang_on_nothing_else(pictures):
    whole = corruptions.corruptions(task(pictures), None, None, None, 0)
    assert [(v.kind, v.severity) for v in whole.variants] == list(MEAN_OVER)
    fog3 = next(v for v in whole.variants if v.name == "fog 3")
    np.testing.assert_array_equal(fog3.x(), made(pictures, "fog", 3))
    np.testing.assert_array_equal(fog3.x(), fog3.x())
    assert (made(pictures, "fog", 3, seed=1) != fog3.x()).any()
    for variant in whole.variants:
        x = variant.x()
        assert x.shape == pictures.shape
        assert x.dtype == np.float32
        assert x.min() >= 0
        assert x.max() <= 255
        np.testing.assert_array_equal(x, np.rint(x))  # bytes, as published
        assert (x != pictures).any() or variant.name in {"glass_blur 1"}, variant.name


@pytest.mark.parametrize("kind", KINDS)
def test_fractions_and_bytes_grey_and_colour_are_corrupted_alike(pictures, kind):
    level = 4
    of_bytes = made(pictures, kind, level)
    gap = np.abs(made(pictures / np.float32(255), kind, level) * 255 - of_bytes)
    assert (gap > 1.001).mean() < 1e-4  # a Poisson draw may turn on the last bit of its mean
    grey = pictures[:, 0]
    np.testing.assert_array_equal(made(grey, kind, level), made(grey[:, None], kind, level)[:, 0])


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"glass_blur", "elastic_transform", "frost"}))
def test_a_higher_severity_is_further_from_the_picture(pictures, kind):
    """Glass blur, the elastic transform and frost are not monotone by their own tables."""
    gaps = [np.abs(made(pictures, kind, level) - pictures).mean() for level in range(1, 6)]
    assert gaps[4] > 1.3 * gaps[0]
    assert sorted(gaps) == gaps or kind in {"snow", "motion_blur"}, "their angles differ"


# --- noise ----------------------------------------------------------------------------------------------------------


def test_noises_have_their_moments():
    grey = np.full((40, 3, 32, 32), 0.5)
    size = grey.size
    for level in range(5):
        generator = np.random.default_rng(level)
        sd = PUBLISHED["gaussian_noise"][level]
        found = corrupt_noise.gaussian_noise(grey, sd, generator) / 255 - 0.5
        assert found.std() == pytest.approx(sd, rel=5 / np.sqrt(2 * size))
        count = PUBLISHED["shot_noise"][level]
        found = corrupt_noise.shot_noise(grey, count, generator) / 255
        assert found.mean() == pytest.approx(0.5, rel=5 * np.sqrt(0.5 / count / size) / 0.5)
        assert found.var() == pytest.approx(0.5 / count, rel=0.05)
        np.testing.assert_allclose(found * count, np.rint(found * count), atol=1e-9)
        share = PUBLISHED["impulse_noise"][level]
        found = corrupt_noise.impulse_noise(grey, share, generator) / 255
        for end in (0, 1):
            assert (found == end).mean() == pytest.approx(share / 2, abs=5 * np.sqrt(share / 2 / size))
        assert (found == 0.5).sum() == size - (found == 0).sum() - (found == 1).sum()


# --- blur -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [1, 4, 5])
def test_defocus_is_a_convolution_with_a_smoothed_disk(pictures, level):
    radius, smooth = PUBLISHED["defocus_blur"][level - 1]
    axis = np.arange(-8, 9)  # the authors' grid, of which ours keeps what is not 0
    inside = np.array([[float(x * x + y * y <= radius**2) for x in axis] for y in axis])
    tap = np.array([math.exp(-(k * k) / (2 * smooth**2)) for k in (-1, 0, 1)])
    kernel = signal.convolve2d(inside / inside.sum(), np.outer(tap, tap) / tap.sum() ** 2, mode="same")
    padded = np.pad(pictures.astype(np.float64) / 255, ((0, 0), (0, 0), (8, 8), (8, 8)), mode="reflect")  # reflect_101
    expected = np.array([[signal.convolve2d(c, kernel, mode="valid") for c in image] for image in padded])
    near(pictures, "defocus_blur", level, expected)


@pytest.mark.parametrize("level", [3, 5])
def test_glass_blur_swaps_pixel_after_pixel(pictures, level):
    sd, delta, rounds = PUBLISHED["glass_blur"][level - 1]
    generator = stream("glass_blur", level)
    moves = [
        generator.integers(-delta, delta, size=(2, len(pictures)))
        for _ in range(rounds)
        for _ in range(32 - delta, delta, -1)
        for _ in range(32 - delta, delta, -1)
    ]
    expected = []
    for row, image in enumerate(pictures.astype(np.float64) / 255):
        planes = [ndimage.gaussian_filter(channel, sd, mode="nearest") for channel in image]
        x = (np.stack(planes, axis=-1) * 255).astype(np.uint8)
        steps = iter(moves)
        for _ in range(rounds):
            for h in range(32 - delta, delta, -1):
                for w in range(32 - delta, delta, -1):
                    dx, dy = next(steps)[:, row]
                    x[h, w], x[h + dy, w + dx] = x[h + dy, w + dx].copy(), x[h, w].copy()
        expected.append([ndimage.gaussian_filter(x[..., k] / 255, sd, mode="nearest") for k in range(3)])
    near(pictures, "glass_blur", level, np.array(expected), few=2e-3)


def test_glass_blur_without_its_gaussians_only_moves_pixels(pictures):
    found = corrupt_blur.glass_blur(pictures / 255.0, (1e-6, 1, 2), np.random.default_rng(0))
    assert (found != pictures).any()
    for image, before in zip(found, pictures, strict=True):
        pixels = [np.sort(np.rint(x).reshape(3, -1).T.astype(int) @ [65536, 256, 1]) for x in (image, before)]
        np.testing.assert_allclose(*pixels, atol=65793)  # each channel may lose one to the cut


@pytest.mark.parametrize("level", [1, 5])
def test_motion_blur_is_a_trail_along_a_line(pictures, level):
    radius, sd = PUBLISHED["motion_blur"][level - 1]
    angles = stream("motion_blur", level).uniform(-45, 45, size=len(pictures))
    weights = [math.exp(-(i * i) / (2 * sd * sd)) for i in range(2 * radius + 1)]
    expected = np.zeros_like(pictures, dtype=np.float64)
    for row, angle in enumerate(angles):
        for i, weight in enumerate(weights):
            right = math.ceil(i * math.cos(math.radians(angle)) - 0.5)
            below = math.ceil(i * math.sin(math.radians(angle)) - 0.5)
            padded = np.pad(pictures[row].astype(np.float64) / 255, ((0, 0), (20, 20), (20, 20)), mode="edge")
            moved = padded[:, 20 + below : 52 + below, 20 + right : 52 + right]
            expected[row] += weight / sum(weights) * moved
    near(pictures, "motion_blur", level, expected)
    # along 0 degrees a picture of rows that are all the same colour stays
    rows = np.repeat(np.linspace(0, 1, 32)[:, None], 32, axis=1)[None, None]
    np.testing.assert_allclose(corrupt_blur.dragged(rows, radius, sd, np.zeros(1)), rows, atol=1e-12)


@pytest.mark.parametrize("level", [1, 5])
def test_zoom_blur_averages_zooms(pictures, level):
    factors = np.arange(1, PUBLISHED["zoom_blur"][level - 1], 0.01)
    assert len(factors) == {1: 7, 5: 26}[level], "arange takes 1.06 in, by a rounding, and not 1.26"

    def zoomed(image: np.ndarray, factor: float) -> np.ndarray:
        kept = math.ceil(32 / factor)
        top = (32 - kept) // 2
        grown = ndimage.zoom(image[top : top + kept, top : top + kept], (factor, factor, 1), order=1)
        trim = (grown.shape[0] - 32) // 2
        return grown[trim : trim + 32, trim : trim + 32]

    expected = []
    for image in pictures.transpose(0, 2, 3, 1).astype(np.float64) / 255:
        total = sum((zoomed(image, factor) for factor in factors), image.copy())
        expected.append((total / (len(factors) + 1)).transpose(2, 0, 1))
    near(pictures, "zoom_blur", level, np.array(expected))


# --- weather --------------------------------------------------------------------------------------------------------


def test_plasma_is_diamond_square():
    side, decay, n = 8, 2.5, 3
    found = corrupt_weather.plasma(n, side, decay, np.random.default_rng(5))
    generator = np.random.default_rng(5)
    heights = np.zeros((n, side, side))
    step, wobble = side, 100.0
    while step >= 2:
        half, cells = step // 2, side // step
        for rows, columns, ways in (
            (half, half, ((-half, -half), (-half, half), (half, -half), (half, half))),
            (0, half, ((0, -half), (0, half), (-half, 0), (half, 0))),
            (half, 0, ((0, -half), (0, half), (-half, 0), (half, 0))),
        ):
            drawn = generator.uniform(-wobble, wobble, (n, cells, cells))
            for i in range(cells):
                for j in range(cells):
                    r, c = rows + i * step, columns + j * step
                    four = [heights[:, (r + a) % side, (c + b) % side] for a, b in ways]
                    heights[:, r, c] = sum(four) / 4 + wobble * drawn[:, i, j]
        step, wobble = half, wobble / decay
    heights -= heights.min(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found, heights / heights.max(axis=(1, 2), keepdims=True), atol=1e-9)
    assert found.min() == 0
    assert found.max() == 1


@pytest.mark.parametrize("level", [1, 5])
def test_fog_snow_and_frost_are_their_sums(pictures, level):
    x = pictures.astype(np.float64) / 255
    weight, decay = PUBLISHED["fog"][level - 1]
    haze = corrupt_weather.plasma(12, 32, decay, stream("fog", level))[:, None]
    most = np.array([image.max() for image in x])[:, None, None, None]
    near(pictures, "fog", level, (x + weight * haze) * most / (most + weight))

    own, ice = PUBLISHED["frost"][level - 1]
    cold = corrupt_weather.plasma(12, 32, 1.75, stream("frost", level))[:, None]
    tint = np.array([0.80, 0.92, 1.0])[None, :, None, None]
    near(pictures, "frost", level, own * x + ice * cold * tint)

    mean, sd, size, darkest, radius, fall, left = PUBLISHED["snow"][level - 1]
    generator = stream("snow", level)
    flakes = corrupt_blur.zoomed(generator.normal(mean, sd, size=(12, 1, 32, 32)), size)
    flakes = np.floor(np.clip(np.where(flakes < darkest, 0, flakes), 0, 1) * 255)
    flakes = np.rint(corrupt_blur.dragged(flakes, radius, fall, generator.uniform(-135, -45, size=12))) / 255
    grey = (0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2])[:, None]
    pale = left * x + (1 - left) * np.maximum(x, 1.5 * grey + 0.5)
    near(pictures, "snow", level, pale + flakes + np.rot90(flakes, 2, axes=(2, 3)))


def test_frost_from_pictures(pictures, tmp_path):
    generator = np.random.default_rng(2)
    whole = generator.integers(0, 256, size=(200, 230, 3), dtype=np.uint8)
    Image.fromarray(whole).save(tmp_path / "frost1.png")
    (tmp_path / "notes.txt").write_text("not a picture")
    shifted = corruptions.corruptions(task(pictures), "frost", (2,), str(tmp_path), 0)
    assert shifted.notes == ("frost from 1 pictures",)
    x = shifted.variants[0].x()
    own, ice = PUBLISHED["frost"][1]
    small = whole[2::5, 2::5].transpose(2, 0, 1).astype(np.float64)
    generator = stream("frost", 2)
    generator.integers(1, size=12)
    for row in range(12):
        top, side = generator.integers(0, 40 - 32), generator.integers(0, 46 - 32)
        piece = small[:, top : top + 32, side : side + 32]
        expected = np.floor(np.clip(own * pictures[row] + ice * piece, 0, 255))
        assert np.abs(x[row] - expected).max() <= 1
        assert (x[row] != expected).mean() < 0.02
    Image.fromarray(whole[::2]).save(tmp_path / "frost1.png")
    other = corruptions.corruptions
    with pytest.raises(InputError, match=r"frost1\.png', reduced 5 times, is not larger"):
        other(task(pictures), "frost", None, str(tmp_path), 0)
    Image.fromarray(whole[:, ::-1]).save(tmp_path / "frost1.png")
    assert other(task(pictures), "frost", (2,), str(tmp_path), 0).files != shifted.files
    (tmp_path / "frost1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match="not a picture, or damaged"):
        other(task(pictures), "frost", None, str(tmp_path), 0)
    (tmp_path / "frost1.png").unlink()
    with pytest.raises(InputError, match=r"holds no \.png or \.jpg"):
        other(task(pictures), "frost", None, str(tmp_path), 0)


@pytest.mark.parametrize("level", [1, 5])
def test_brightness_raises_the_value_of_hsv(pictures, level):
    more = PUBLISHED["brightness"][level - 1]
    few = pictures[:3].copy()
    few[0, :, :2] = 0  # black has no hue
    expected = np.empty_like(few)
    for row, r, c in np.ndindex(3, 32, 32):
        hue, saturation, value = colorsys.rgb_to_hsv(*(few[row, :, r, c].astype(np.float64) / 255))
        expected[row, :, r, c] = colorsys.hsv_to_rgb(hue, saturation, min(value + more, 1))
    gap = np.abs(made(few, "brightness", level) - np.floor(expected * 255 + 1e-9))
    assert gap.max() <= 1
    assert (gap > 0).mean() < 0.02  # whole bytes that float arithmetic leaves a hair below themselves


# --- digital --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [1, 5])
def test_contrast_jpeg_and_pixelate(pictures, level):
    factor, quality, share = (PUBLISHED[k][level - 1] for k in ("contrast", "jpeg_compression", "pixelate"))
    mean = np.array([[channel.mean() for channel in image] for image in pictures.astype(np.float64) / 255])
    mean = mean[:, :, None, None]
    near(pictures, "contrast", level, (pictures.astype(np.float64) / 255 - mean) * factor + mean)
    for row in (0, 5):
        image = Image.fromarray(pictures[row].transpose(1, 2, 0).astype(np.uint8))
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        stored = np.asarray(Image.open(file)).transpose(2, 0, 1)
        np.testing.assert_array_equal(made(pictures, "jpeg_compression", level)[row], stored)
        small = image.resize((int(32 * share), int(32 * share)), Image.Resampling.BOX)
        large = np.asarray(small.resize((32, 32), Image.Resampling.BOX)).transpose(2, 0, 1)
        np.testing.assert_array_equal(made(pictures, "pixelate", level)[row], large)


def test_elastic_moves_three_points_and_then_every_pixel():
    generator = np.random.default_rng(0)
    for _ in range(20):
        state = generator.bit_generator.state
        inverse = corrupt_digital._random_affine(32, 32, 2.5, generator)
        generator.bit_generator.state = state
        points = np.array([[26.0, 26], [26, 6], [6, 6]])
        moved = points + generator.uniform(-2.5, 2.5, (3, 2))
        np.testing.assert_allclose(np.column_stack([moved, np.ones(3)]) @ inverse.T, points, atol=1e-9)
    # a ramp tells where every pixel came from: severity 1 has the affine map alone
    ramp = np.mgrid[:32, :32][::-1].astype(np.float64) / 255
    image = np.stack([*ramp, ramp[0]])[None]
    state = generator.bit_generator.state
    found = corrupt_digital.elastic_transform(image, PUBLISHED["elastic_transform"][0], generator)[0]
    generator.bit_generator.state = state
    inverse = corrupt_digital._random_affine(32, 32, 0.08 * 32, generator)
    columns, rows = found[0], found[1]
    for r, c in [(8, 8), (15, 20), (20, 12)]:
        np.testing.assert_allclose([columns[r, c], rows[r, c]], inverse @ [c, r, 1], atol=1e-6)
    found = corrupt_digital.elastic_transform(image, (0.1, 0.03, 0.0), np.random.default_rng(1))[0]
    generator = np.random.default_rng(1)
    generator.uniform(-0.0, 0.0, (3, 2))
    across, down = (
        3.2 * ndimage.gaussian_filter(generator.uniform(-1, 1, (32, 32)), 0.96, truncate=3) for _ in range(2)
    )
    inner = np.s_[4:28, 4:28]
    np.testing.assert_allclose((found[0] - ramp[0] * 255)[inner], across[inner], atol=1e-6)
    np.testing.assert_allclose((found[1] - ramp[1] * 255)[inner], down[inner], atol=1e-6)


# --- what cannot be corrupted -----------------------------------------------------------------------------------------


def test_refusals(pictures):
    def refused(x: np.ndarray, match: str, **more: object) -> None:
        asked = {"kinds": None, "severities": None, "frost": None, "seed": 0} | more
        with pytest.raises(InputError, match=match):
            corruptions.corruptions(task(x), **asked)

    refused(pictures.reshape(12, -1), "which are no pictures")
    refused(pictures.transpose(0, 2, 3, 1), r"look like \[H, W, C\]")
    refused(np.concatenate([pictures, pictures], axis=1), "have 6 channels")
    refused(pictures / 255 - 0.5, "values run from -0.5 to 0.5")
    refused(pictures / 16, "values run from 0 to 15.9375")
    refused(pictures, "there is no corruption 'spatter'", kinds="fog;spatter")
    refused(pictures, "names one twice", kinds="fog;fog")
    refused(pictures, "given twice", severities=(1, 1))
