"""`pairflip`: labels of every class become the next class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import NoiseSpec
from calibench.data.noise import Noisy
from calibench.lazy import np
from calibench_datasets.noise.class_flips import RATE, flip_classes

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC = NoiseSpec(
    name="pairflip",
    target=f"{__name__}:pairflip",
    summary="A share of the labels of every class becomes the next class.",
    params=(RATE,),
    paper="B. Han et al., Co-teaching, NeurIPS 2018 (arXiv 1804.06872)",
    deviations=("exactly that share of each class, rounded to whole rows; the paper draws each row independently",),
)


def pairflip(labels: NDArray[np.int64], num_classes: int, generator: np.random.Generator, rate: float) -> Noisy:
    """A share `rate` of the labels of each class k becomes class (k + 1) mod K."""
    return flip_classes(labels, num_classes, generator, rate, {k: (k + 1) % num_classes for k in range(num_classes)})
