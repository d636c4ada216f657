"""Labels drawn from probabilities, as if those were true."""

from __future__ import annotations

from collections.abc import Iterator

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.blocks import block_rows
from calibench.metrics.judged import Judged

STREAM = 1
"""Separates the random stream of the noise floor from that of the bootstrap, which is the seed's own."""


def draw_labels(judged: Judged, draws: int, seed: int) -> Iterator[tuple[Bools, Ints]]:
    """Labels drawn from the predicted probabilities: blocks `(correct [d, N], labels [d, N])`, `draws` rows in all."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, STREAM))))
    return labels_from(judged.probs, judged.confidence, judged.prediction, draws, generator)


def labels_from(
    probs: Floats, confidence: Floats, prediction: Ints, draws: int, generator: np.random.Generator
) -> Iterator[tuple[Bools, Ints]]:
    """Labels drawn from `probs [N, K]`: blocks `(correct [d, N], labels [d, N])`, `draws` rows in all.

    One uniform number u decides a label. If u is below the confidence c, the probability of the class `prediction`, the label
    is this class; else `(u - c) / (1 - c)` selects one of the other classes. So most samples need no search.
    """
    running = _running_shares(probs, prediction).ravel()
    n, width = probs.shape
    rows = block_rows(n)
    for start in range(0, draws, rows):
        u = generator.random((min(rows, draws - start), n))
        correct = u < confidence
        labels = np.repeat(prediction[None, :], len(u), axis=0)
        # Sample by sample, because draw by draw the search reads all N K numbers for each draw and takes twice as long.
        sample, draw = np.nonzero(~correct.T)
        share = (u[draw, sample] - confidence[sample]) / (1 - confidence[sample])
        # Sample i has the interval (i, i + 1] of the running shares, so one search serves all samples.
        place = np.searchsorted(running, sample + share, side="right")
        labels[draw, sample] = np.clip(place - sample * width, 0, width - 1)
        yield correct, labels


def _running_shares(probs: Floats, prediction: Ints) -> Floats:
    """`[N, K]`: i + the share of classes 0 .. k among the probability of all classes other than the prediction."""
    shares, rows = probs.copy(), np.arange(len(probs))
    shares[rows, prediction] = 0
    total = shares.sum(axis=1, keepdims=True)
    # A total of 0 means confidence 1: every draw is the prediction, and the row is never searched.
    shares /= np.where(total > 0, total, 1)
    np.cumsum(shares, axis=1, out=shares)
    np.minimum(shares, 1, out=shares)
    shares += rows[:, None]
    return shares
