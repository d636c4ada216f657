"""`symmetric`: uniform label noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import REQUIRED, NoiseSpec, Param
from calibench.data.noise import Noisy, uniform_transition
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC = NoiseSpec(
    name="symmetric",
    target=f"{__name__}:symmetric",
    summary="A share of the training labels is wrong, each uniform over the other K - 1 classes.",
    params=(Param("rate", "float", REQUIRED, "share of the training labels that are wrong", minimum=0, maximum=1),),
    paper="B. van Rooyen, A. Menon, R. Williamson, NeurIPS 2015 (arXiv 1505.07634), symmetric label noise",
    deviations=("papers mix two rates; ours is the share of wrong labels, so p~ = (1-e)p + e/K has e = rate K/(K-1)",),
)


def symmetric(labels: NDArray[np.int64], num_classes: int, generator: np.random.Generator, rate: float) -> Noisy:
    """`round(rate N)` labels, drawn without replacement, each become one of the other K - 1 classes, uniformly."""
    noisy = labels.copy()
    rows = generator.choice(len(labels), size=round(rate * len(labels)), replace=False)
    noisy[rows] = (labels[rows] + generator.integers(1, num_classes, size=len(rows))) % num_classes
    return Noisy(noisy, uniform_transition(num_classes, rate))
