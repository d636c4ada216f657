"""Noise corruptions of Hendrycks & Dietterich (ICLR 2019), with the severities of CIFAR-10-C.

Each takes images `x [n, C, H, W]` in [0, 1], its parameter and a generator, and returns values in [0, 255].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


Floats: TypeAlias = "NDArray[np.float64]"

GAUSSIAN_SD = (0.04, 0.06, 0.08, 0.09, 0.10)
SHOT_COUNT = (500, 250, 100, 75, 50)
IMPULSE_SHARE = (0.01, 0.02, 0.03, 0.05, 0.07)


def to_bytes(x: Floats) -> Floats:
    """`x` cut to [0, 1], times 255."""
    return np.asarray(np.clip(x, 0, 1) * 255)


def gaussian_noise(x: Floats, sd: float, generator: np.random.Generator) -> Floats:
    """`x + N(0, sd^2)`."""
    return to_bytes(x + generator.normal(scale=sd, size=x.shape))


def shot_noise(x: Floats, count: float, generator: np.random.Generator) -> Floats:
    """`Poisson(count x) / count`: `count` photons for white."""
    return to_bytes(generator.poisson(x * count) / count)


def impulse_noise(x: Floats, share: float, generator: np.random.Generator) -> Floats:
    """A share of the values, channel by channel, becomes 0 or 1 with equal probability (salt and pepper)."""
    is_replaced = generator.random(x.shape) <= share
    salt = generator.random(x.shape) <= 0.5
    return to_bytes(np.where(is_replaced, salt.astype(np.float64), x))
