"""`instance`: rows that resemble another class get its label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import REQUIRED, InputError, NoiseSpec, Param
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPREAD = 0.1
"""Standard deviation of the rows' noise rates; Xia et al. 2020."""


SPEC = NoiseSpec(
    name="instance",
    target=f"{__name__}:instance",
    summary="Rows that resemble another class, by random projections, get its label.",
    params=(Param("rate", "float", REQUIRED, "mean share of wrong labels", minimum=0.1, maximum=0.9),),
    needs=("x",),
    paper="X. Xia et al., Part-dependent Label Noise, NeurIPS 2020 (arXiv 2006.07836), algorithm 2",
    deviations=("features are scaled to mean 0 and standard deviation 1 first",),
)


def instance(
    labels: NDArray[np.int64],
    num_classes: int,
    generator: np.random.Generator,
    x: NDArray[np.float32],
    rate: float,
) -> NDArray[np.int64]:
    """Row i is wrong with probability `q_i ~ N(rate, 0.1^2)` cut to [0, 1]; its label j is drawn from `softmax_j(x_i W_y)`.

    `W_y [D, K]` is standard normal, one matrix for each class y, and the softmax leaves out the true class. x is flattened
    and each feature is scaled to mean 0 and standard deviation 1. There is no single transition matrix: the record holds the
    realised one. Source: Xia et al., Part-dependent Label Noise, NeurIPS 2020 (arXiv 2006.07836), algorithm 2.
    InputError for a rate whose rows would mostly be cut off.
    """
    if not SPREAD <= rate <= 1 - SPREAD:
        message = f"noise instance: rate={rate:g}: rates of rows, N({rate:g}, {SPREAD}^2), would mostly be cut off"
        raise InputError(message, f"use {SPREAD} to {1 - SPREAD}")
    features = x.reshape(len(x), -1).astype(np.float64)
    features -= features.mean(axis=0)
    features /= np.maximum(features.std(axis=0), 1e-12)
    rates = _cut_normal(generator, rate, len(features))
    noisy = labels.copy()
    for k in range(num_classes):
        weights = generator.standard_normal((features.shape[1], num_classes))
        rows = np.flatnonzero(labels == k)
        logits = features[rows] @ weights
        logits[:, k] = -np.inf
        # The largest of logit + Gumbel noise is a draw from the softmax.
        wrong_labels = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
        is_wrong = generator.random(len(rows)) < rates[rows]
        noisy[rows[is_wrong]] = wrong_labels[is_wrong]
    return noisy


def _cut_normal(generator: np.random.Generator, mean: float, n: int) -> NDArray[np.float64]:
    """n draws of N(mean, SPREAD^2), drawn again until they lie in [0, 1]."""
    values = generator.normal(mean, SPREAD, size=n)
    while (outside := (values < 0) | (values > 1)).any():
        values[outside] = generator.normal(mean, SPREAD, size=int(outside.sum()))
    return values
