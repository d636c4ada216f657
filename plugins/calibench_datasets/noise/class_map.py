"""Noise that turns a share of a class into one other class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from calibench import REQUIRED, Param
from calibench.data.noise import Noisy
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = Param("rate", "float", REQUIRED, "share of the labels of such a class that are wrong", minimum=0, maximum=1)


def mapped(
    labels: NDArray[np.int64],
    num_classes: int,
    generator: np.random.Generator,
    rate: float,
    becomes: Mapping[int, int],
) -> Noisy:
    """`round(rate n_k)` of the n_k labels of each class k in `becomes`, drawn without replacement, become `becomes[k]`."""
    noisy, transition = labels.copy(), np.eye(num_classes)
    for k, other in sorted(becomes.items()):
        members = np.flatnonzero(labels == k)
        noisy[generator.choice(members, size=round(rate * len(members)), replace=False)] = other
        transition[k, k] -= rate
        transition[k, other] += rate
    return Noisy(noisy, transition)
