"""`pairflip`: every class is taken for the next one."""

import numpy as np
from numpy.typing import NDArray

from calibench.data.noise import Noisy
from calibench_datasets.noise.class_map import mapped


def pairflip(labels: NDArray[np.int64], num_classes: int, generator: np.random.Generator, rate: float) -> Noisy:
    """A share `rate` of each class k becomes class (k + 1) mod K."""
    return mapped(labels, num_classes, generator, rate, {k: (k + 1) % num_classes for k in range(num_classes)})
