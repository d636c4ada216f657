"""`gaussians`: rows drawn from one Gaussian a class, whose true probabilities are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import Arrays, DatasetSpec, InputError, Param
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC = DatasetSpec(
    name="gaussians",
    target=f"{__name__}:gaussians",
    summary="Rows drawn from one Gaussian a class, so that the true probabilities are known; any class shares.",
    params=(
        Param("shares", "floats", (0.25, 0.25, 0.25, 0.25), "the share of each class, as 0.99;0.01", minimum=0.0),
        Param("distance", "float", 3.0, "the distance between the means of any two classes, in standard deviations"),
        Param("dims", "int", 10, "features a row, at least one a class", minimum=2, maximum=10_000),
        Param("rows", "int", 2_000, "training rows, of which val and cal are held out", minimum=20, maximum=10_000_000),
        Param("test_rows", "int", 1_000, "rows to judge", minimum=20, maximum=10_000_000),
        Param("draw", "int", 0, "seed of the rows", minimum=0),
    ),
    licence="none needed: drawn by calibench",
    source="drawn at each load, with numpy's PCG64",
)

DECIMALS = 6
"""The true probabilities are rounded: processors differ in the last digit of exp, and a fingerprint must not."""


def gaussians(shares: tuple[float, ...], distance: float, dims: int, rows: int, test_rows: int, draw: int) -> Arrays:
    """Rows `x [N, dims]` ~ Normal(m_k, I) of classes k ~ shares, and the true probabilities of the test rows as soft labels.

    The means m_k = distance / sqrt(2) * e_k are equally far from each other. The posterior is
    p_k(x) ∝ shares_k exp(-|x - m_k|² / 2). The metrics soft_nll and soft_brier compare with it. InputError for shares that
    do not sum to 1, and for fewer dimensions than classes.
    """
    _check(shares, distance, dims)
    generator = np.random.Generator(np.random.PCG64(draw))
    means = np.zeros((len(shares), dims))
    np.fill_diagonal(means, distance / np.sqrt(2))
    x, y = _draw(rows, shares, means, generator)
    test_x, test_y = _draw(test_rows, shares, means, generator)
    return Arrays(
        x=x,
        y=y,
        test=(test_x, test_y),
        test_soft=posterior(test_x.astype(np.float64), np.asarray(shares), means).round(DECIMALS),
        notes=("drawn by calibench: the soft labels of test are the true probabilities",),
    )


def posterior(x: NDArray[np.float64], shares: NDArray[np.float64], means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probabilities `[N, K]` of the classes of rows `x [N, D]`, for Gaussians of unit variance around `means [K, D]`."""
    scores = np.log(shares) + x @ means.T - (means**2).sum(axis=1) / 2
    scores -= scores.max(axis=1, keepdims=True)
    weights = np.exp(scores)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _draw(
    count: int, shares: tuple[float, ...], means: NDArray[np.float64], generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    y = generator.choice(len(shares), size=count, p=np.asarray(shares) / sum(shares))
    x = means[y] + generator.standard_normal((count, means.shape[1]))
    return x.astype(np.float32), y.astype(np.int64)


def _check(shares: tuple[float, ...], distance: float, dims: int) -> None:
    if len(shares) < 2 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        text = ";".join(f"{share:g}" for share in shares)
        message = f"gaussians: the shares {text} sum to {sum(shares):g}, or are not two or more above 0"
        raise InputError(message, "as in gaussians:shares=0.9;0.1")
    if not distance > 0:
        raise InputError(
            f"gaussians: distance={distance:g}", "give a number above 0; at 3 some 7 of 100 rows of two classes err"
        )
    if dims < len(shares):
        raise InputError(f"gaussians: {len(shares)} classes need as many dimensions, not {dims}", f"dims={len(shares)}")
