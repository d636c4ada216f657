"""Noise corruptions have the moments of their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from corruption_cases import PUBLISHED

from calibench_datasets.shift import corrupt_noise


def test_noises_have_the_moments_of_their_definitions():
    grey = np.full((40, 3, 32, 32), 0.5)
    size = grey.size
    for level in range(5):
        generator = np.random.default_rng(level)
        sd = PUBLISHED["gaussian_noise"][level]
        values = corrupt_noise.gaussian_noise(grey, sd, generator) / 255 - 0.5
        assert values.std() == pytest.approx(sd, rel=5 / np.sqrt(2 * size))
        count = PUBLISHED["shot_noise"][level]
        values = corrupt_noise.shot_noise(grey, count, generator) / 255
        assert values.mean() == pytest.approx(0.5, rel=5 * np.sqrt(0.5 / count / size) / 0.5)
        assert values.var() == pytest.approx(0.5 / count, rel=0.05)
        np.testing.assert_allclose(values * count, np.rint(values * count), atol=1e-9)
        share = PUBLISHED["impulse_noise"][level]
        values = corrupt_noise.impulse_noise(grey, share, generator) / 255
        for end in (0, 1):
            assert (values == end).mean() == pytest.approx(share / 2, abs=5 * np.sqrt(share / 2 / size))
        assert (values == 0.5).sum() == size - (values == 0).sum() - (values == 1).sum()
