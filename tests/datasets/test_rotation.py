"""`rotation` turns images counter-clockwise about their centre."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from calibench import InputError
from calibench.data.shift import ShiftTask
from calibench_datasets.shift.rotation import rotation


def task(x: np.ndarray) -> ShiftTask:
    return ShiftTask(x, np.arange(len(x)) % 3, 3, 1, float(x.min()), float(x.max()))


def rotate(x: np.ndarray, angle: float) -> np.ndarray:
    (variant,) = rotation(task(x), (angle,))
    return variant.x()


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).random((4, 3, 8, 8)).astype(np.float32)


def test_every_angle_is_a_variant(images):
    names = [variant.name for variant in rotation(task(images), (10, 45, 90, 135, 180))]
    assert names == ["rotation 10", "rotation 45", "rotation 90", "rotation 135", "rotation 180"]


def test_multiples_of_90_degrees_move_pixels_counter_clockwise(images):
    np.testing.assert_array_equal(rotate(images, 0), images)
    np.testing.assert_array_equal(rotate(images, 90)[0, 0], np.rot90(images[0, 0]))  # counter-clockwise by default
    np.testing.assert_array_equal(rotate(images, 90)[0, 0, -1, 0], images[0, 0, 0, 0])  # top left becomes bottom left
    np.testing.assert_array_equal(rotate(images, 180), images[..., ::-1, ::-1])
    np.testing.assert_array_equal(rotate(images, 450), rotate(images, 90))
    np.testing.assert_array_equal(rotate(images, -90), rotate(images, 270))


@pytest.mark.parametrize("angle", [10, 45, 135])
def test_other_angles_are_bilinear_with_0_outside(images, angle):
    turn = np.deg2rad(angle)
    rows, columns = np.mgrid[:8, :8] - 3.5
    back = (rows * np.cos(turn) + columns * np.sin(turn) + 3.5, -rows * np.sin(turn) + columns * np.cos(turn) + 3.5)
    expected = [[ndimage.map_coordinates(channel, back, order=1) for channel in image] for image in images]
    np.testing.assert_allclose(rotate(images, angle), expected, atol=1e-6)


def test_images_keep_their_shape(images):
    np.testing.assert_array_equal(rotate(images[:, 0], 45), rotate(images[:, :1], 45)[:, 0])
    wide = images[:, :, :5]
    assert rotate(wide, 90).shape == wide.shape
    np.testing.assert_array_equal(rotate(wide, 180), wide[..., ::-1, ::-1])


def test_a_right_angle_is_the_limit_of_other_angles():
    x = np.random.default_rng(1).random((2, 1, 9, 9)).astype(np.float32)
    np.testing.assert_allclose(rotate(x, 90.0001)[..., 1:-1, 1:-1], rotate(x, 90.0)[..., 1:-1, 1:-1], atol=1e-3)


def test_rows_that_are_not_images_and_repeated_angles_are_refused():
    with pytest.raises(InputError, match="not images"):
        rotation(task(np.zeros((3, 13), dtype=np.float32)), (10,))
    with pytest.raises(InputError, match="an angle is repeated"):
        rotation(task(np.zeros((3, 8, 8), dtype=np.float32)), (10, 370))
