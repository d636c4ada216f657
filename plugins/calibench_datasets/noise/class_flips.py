"""Label noise that relabels a share of a class as one other class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from calibench import REQUIRED, Param
from calibench.data.noise import Noisy
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = Param("rate", "float", REQUIRED, "share of wrong labels in each class that is relabelled", minimum=0, maximum=1)


def flip_classes(
    labels: NDArray[np.int64],
    num_classes: int,
    generator: np.random.Generator,
    rate: float,
    new_class: Mapping[int, int],
) -> Noisy:
    """For each class k in `new_class`, `round(rate n_k)` of its n_k labels become `new_class[k]`, drawn without replacement."""
    noisy, transition = labels.copy(), np.eye(num_classes)
    for k, target in sorted(new_class.items()):
        rows = np.flatnonzero(labels == k)
        noisy[generator.choice(rows, size=round(rate * len(rows)), replace=False)] = target
        transition[k, k] -= rate
        transition[k, target] += rate
    return Noisy(noisy, transition)
