"""`asymmetric`: some classes are taken for one other class that resembles them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import REQUIRED, InputError, NoiseSpec, Param
from calibench.data.noise import Noisy
from calibench.lazy import np
from calibench_datasets.noise.class_map import RATE, mapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAIRS = {"cifar10": "9-1;2-0;4-7;3-5;5-3", "mnist": "7-1;2-7;5-6;6-5"}
"""Patrini et al. 2017: truck to automobile, bird to airplane, deer to horse, cat and dog; digits that look alike."""


SPEC = NoiseSpec(
    name="asymmetric",
    target=f"{__name__}:asymmetric",
    summary="A share of some classes is taken for one other class each, as a cat for a dog.",
    params=(
        RATE,
        Param("pairs", "str", REQUIRED, "classes from-to, by index, as 3-5;5-3, or cifar10 or mnist"),
    ),
    paper="G. Patrini et al., Making Deep Neural Networks Robust to Label Noise, CVPR 2017 (arXiv 1609.03683)",
    deviations=("exactly that share of each class, to a row, where the paper draws each row by itself",),
)


def asymmetric(
    labels: NDArray[np.int64], num_classes: int, generator: np.random.Generator, rate: float, pairs: str
) -> Noisy:
    """A share `rate` of each class that `pairs` names becomes the class it names; the others keep their labels.

    Raises InputError for pairs that name no class, a class twice, or one that is not there.
    """
    return mapped(labels, num_classes, generator, rate, _parsed(pairs, num_classes))


def _parsed(text: str, num_classes: int) -> dict[int, int]:
    becomes: dict[int, int] = {}
    for part in PAIRS.get(text, text).split(";"):
        source, dash, target = part.strip().partition("-")
        if not dash or not source.isdecimal() or not target.isdecimal():
            hint = f"write from-to pairs as 3-5;5-3, or one of {', '.join(PAIRS)}"
            raise InputError(f"noise asymmetric: pairs={text}: {part!r} is no pair of classes", hint)
        pair = int(source), int(target)
        if max(pair) >= num_classes:
            raise InputError(
                f"noise asymmetric: pairs={text}: there is no class {max(pair)}",
                f"classes run from 0 to {num_classes - 1}",
            )
        if pair[0] == pair[1] or pair[0] in becomes:
            why = "becomes itself" if pair[0] == pair[1] else "stands twice on the left"
            raise InputError(f"noise asymmetric: pairs={text}: class {pair[0]} {why}", "each class becomes one other")
        becomes[pair[0]] = pair[1]
    return becomes
