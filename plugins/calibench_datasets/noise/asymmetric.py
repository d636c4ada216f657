"""`asymmetric`: labels of some classes become one other class that resembles them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import REQUIRED, InputError, NoiseSpec, Param
from calibench.data.noise import Noisy
from calibench.lazy import np
from calibench_datasets.noise.class_flips import RATE, flip_classes

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAIRS = {"cifar10": "9-1;2-0;4-7;3-5;5-3", "mnist": "2-7;3-8;5-6;6-5;7-1"}
"""Patrini et al. 2017 and their code (giorgiop/loss-correction, noise.py): truck to automobile, bird to airplane, deer to horse,
cat and dog; digits that look alike."""


SPEC = NoiseSpec(
    name="asymmetric",
    target=f"{__name__}:asymmetric",
    summary="A share of the labels of some classes becomes one other class each, as cat becomes dog.",
    params=(
        RATE,
        Param("pairs", "str", REQUIRED, "classes from-to, by index, as 3-5;5-3, or cifar10 or mnist"),
    ),
    paper="G. Patrini et al., Making Deep Neural Networks Robust to Label Noise, CVPR 2017 (arXiv 1609.03683)",
    deviations=("exactly that share of each class, rounded to whole rows; the paper draws each row independently",),
)


def asymmetric(
    labels: NDArray[np.int64], num_classes: int, generator: np.random.Generator, rate: float, pairs: str
) -> Noisy:
    """A share `rate` of the labels of each class on the left of `pairs` becomes the class on the right; others stay.

    InputError for text that is not a pair, for a class that is not in the data, that becomes itself, or that is on the left twice.
    """
    return flip_classes(labels, num_classes, generator, rate, _parse(pairs, num_classes))


def _parse(pairs: str, num_classes: int) -> dict[int, int]:
    """The class that each class on the left of `3-5;5-3`, or of a name in PAIRS, becomes."""
    where = f"noise asymmetric: pairs={pairs}"
    new_class: dict[int, int] = {}
    for pair in PAIRS.get(pairs, pairs).split(";"):
        left, dash, right = pair.strip().partition("-")
        if not dash or not left.isdecimal() or not right.isdecimal():
            hint = f"write from-to pairs as 3-5;5-3, or one of {', '.join(PAIRS)}"
            raise InputError(f"{where}: {pair!r} is not a pair of classes", hint)
        source, target = int(left), int(right)
        if max(source, target) >= num_classes:
            message = f"{where}: there is no class {max(source, target)}"
            raise InputError(message, f"classes run from 0 to {num_classes - 1}")
        if source == target or source in new_class:
            problem = "becomes itself" if source == target else "is on the left twice"
            raise InputError(f"{where}: class {source} {problem}", "each class becomes one other")
        new_class[source] = target
    return new_class
