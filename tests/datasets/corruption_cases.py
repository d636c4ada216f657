"""The published parameters of the corruptions, and checks of a corruption against its definition."""

from __future__ import annotations

import numpy as np

from calibench.data.shift import ShiftTask
from calibench_datasets.shift import corruptions
from calibench_datasets.shift.corruption_names import KINDS

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


def task(x: np.ndarray) -> ShiftTask:
    return ShiftTask(x, np.zeros(len(x), dtype=np.int64), 2, 1, float(x.min()), float(x.max()))


def corrupt(x: np.ndarray, kind: str, level: int, seed: int = 0) -> np.ndarray:
    """The images of one variant of the shift."""
    (variant,) = corruptions.corruptions(task(x), kind, (level,), None, seed).variants
    return variant.x()


def generator_of(kind: str, level: int, seed: int = 0) -> np.random.Generator:
    """The generator that the shift gives to a corruption."""
    return np.random.default_rng(np.random.SeedSequence((seed, KINDS.index(kind), level)))


def assert_corrupted(x: np.ndarray, kind: str, level: int, expected: np.ndarray, few: float = 0.0) -> None:
    """The corruption gives `expected` (in [0, 1], before the cut to bytes), except that a share `few` may differ by a byte."""
    function, parameters = corruptions.TABLE[kind]
    values = function(x.astype(np.float64) / 255, parameters[level - 1], generator_of(kind, level))
    gap = np.abs(values - np.clip(expected, 0, 1) * 255)
    assert gap.max() <= (1 if few else 1e-8)
    assert (gap > 1e-8).mean() <= few
    np.testing.assert_array_equal(corrupt(x, kind, level), values.astype(np.uint8))
