"""`symmetric`: uniform label noise."""

import numpy as np
from numpy.typing import NDArray

from calibench.data.noise import Noisy, uniform_transition


def symmetric(labels: NDArray[np.int64], num_classes: int, generator: np.random.Generator, rate: float) -> Noisy:
    """`round(rate N)` labels, drawn without replacement, each replaced by one of the other K - 1 classes, uniformly."""
    noisy = labels.copy()
    rows = generator.choice(len(labels), size=round(rate * len(labels)), replace=False)
    noisy[rows] = (labels[rows] + generator.integers(1, num_classes, size=len(rows))) % num_classes
    return Noisy(noisy, uniform_transition(num_classes, rate))
