"""The fifteen generated corruptions: their published tables, their variants, and images that are refused."""

from __future__ import annotations

import numpy as np
import pytest
from corruption_cases import PUBLISHED, corrupt, task

from calibench import InputError
from calibench_datasets.shift import corruptions
from calibench_datasets.shift.corruption_names import KINDS, MEAN_OVER


def test_the_tables_are_the_published_ones():
    assert tuple(PUBLISHED) == KINDS == tuple(corruptions.TABLE)
    for kind, (_, parameters) in corruptions.TABLE.items():
        assert len(parameters) == 5
        assert parameters == PUBLISHED[kind], kind
    assert len(set(MEAN_OVER)) == 75


def test_each_of_seventy_five_variants_is_independent_of_the_others(smooth_images):
    shifted = corruptions.corruptions(task(smooth_images), None, None, None, 0)
    assert [(v.kind, v.severity) for v in shifted.variants] == list(MEAN_OVER)
    fog3 = next(v for v in shifted.variants if v.name == "fog 3")
    np.testing.assert_array_equal(fog3.x(), corrupt(smooth_images, "fog", 3))
    np.testing.assert_array_equal(fog3.x(), fog3.x())
    assert (corrupt(smooth_images, "fog", 3, seed=1) != fog3.x()).any()
    for variant in shifted.variants:
        x = variant.x()
        assert x.shape == smooth_images.shape
        assert x.dtype == np.float32
        assert x.min() >= 0
        assert x.max() <= 255
        np.testing.assert_array_equal(x, np.rint(x))  # bytes, as published
        assert (x != smooth_images).any() or variant.name in {"glass_blur 1"}, variant.name


@pytest.mark.parametrize("kind", KINDS)
def test_fractions_and_bytes_grey_and_colour_are_corrupted_alike(smooth_images, kind):
    level = 4
    of_bytes = corrupt(smooth_images, kind, level)
    gap = np.abs(corrupt(smooth_images / np.float32(255), kind, level) * 255 - of_bytes)
    assert (gap > 1.001).mean() < 1e-4  # a Poisson draw may depend on the last bit of its mean
    grey = smooth_images[:, 0]
    np.testing.assert_array_equal(corrupt(grey, kind, level), corrupt(grey[:, None], kind, level)[:, 0])


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"glass_blur", "elastic_transform", "frost"}))
def test_a_higher_severity_is_further_from_the_image(smooth_images, kind):
    """Glass blur, the elastic transform and frost are not monotone by their own tables; snow's and motion blur's angles differ."""
    gaps = [np.abs(corrupt(smooth_images, kind, level) - smooth_images).mean() for level in range(1, 6)]
    assert gaps[4] > 1.3 * gaps[0]
    assert sorted(gaps) == gaps or kind in {"snow", "motion_blur"}


@pytest.mark.parametrize(
    ("change", "params", "message"),
    [
        (lambda x: x.reshape(12, -1), {}, "which are not images"),
        (lambda x: x.transpose(0, 2, 3, 1), {}, r"look like \[H, W, C\]"),
        (lambda x: np.concatenate([x, x], axis=1), {}, "have 6 channels"),
        (lambda x: x / 255 - 0.5, {}, "values run from -0.5 to 0.5"),
        (lambda x: x / 16, {}, "values run from 0 to 15.9375"),
        (lambda x: x, {"kinds": "fog;spatter"}, "there is no corruption 'spatter'"),
        (lambda x: x, {"kinds": "fog;fog"}, "names one twice"),
        (lambda x: x, {"severities": (1, 1)}, "a severity is repeated"),
    ],
)
def test_other_rows_and_parameters_are_refused(smooth_images, change, params, message):
    with pytest.raises(InputError, match=message):
        corruptions.corruptions(
            task(change(smooth_images)), **({"kinds": None, "severities": None, "frost": None, "seed": 0} | params)
        )
