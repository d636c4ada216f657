"""Noise floor: the figure that a perfectly calibrated model with the same probabilities scores on as many samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol, TypeAlias

from calibench.errors import blaming
from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.bootstrap import block_rows
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric

DRAWS = 1000

STREAM = 1
"""Separates the random stream of the noise floor from that of the bootstrap, which is the seed's own."""

Floor: TypeAlias = dict[str, float]
"""`mean` and `p95` (95th percentile) over the draws, in the metric's unit."""


def noise_floor(
    judged: Judged, metrics: Mapping[str, Metric], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Floor]:
    """`{"mean", "p95"}` of each metric that has a floor, over `draws` sets of labels `y_i ~ Categorical(p_i)`."""
    return {name: floor_of(values) for name, values in drawn_figures(judged, metrics, draws=draws, seed=seed).items()}


def floor_of(values: Floats) -> Floor:
    """Mean and 95th percentile of a figure over the draws."""
    return {"mean": float(values.mean()), "p95": float(np.quantile(values, 0.95))}


class HasDraws(Protocol):
    """A metric, or another figure `[J]` with the method of the same name, whose draws are then `[D, J]`."""

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats | None:
        """See `Metric.floor_draws`."""


def drawn_figures(
    judged: Judged, metrics: Mapping[str, HasDraws], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Floats]:
    """The figure of each metric that has a floor in each draw of labels, `[D]`, by the metric's name."""
    with_floor = {name: m for name, m in metrics.items() if type(m).floor_draws is not Metric.floor_draws}
    if not with_floor:
        return {}
    blocks: dict[str, list[Floats]] = {name: [] for name in with_floor}
    for correct, labels in draw_labels(judged, draws, seed):
        for name, metric in with_floor.items():
            with blaming(f"metric {name!r}"):
                values = metric.floor_draws(judged, correct, labels)
            if values is not None:
                blocks[name].append(values)
    return {name: np.concatenate(arrays) for name, arrays in blocks.items() if arrays}


def draw_labels(judged: Judged, draws: int, seed: int) -> Iterator[tuple[Bools, Ints]]:
    """Labels drawn from the predicted probabilities: blocks `(correct [d, N], labels [d, N])`, `draws` rows in all.

    One uniform number u decides a label. If u is below the confidence c, the label is the prediction; else `(u - c) / (1 - c)`
    selects one of the other classes. So most samples need no search.
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, STREAM))))
    confidence, prediction = judged.confidence, judged.prediction
    running = _running_shares(judged).ravel()
    width, rows = judged.num_classes, block_rows(judged.n)
    for start in range(0, draws, rows):
        u = generator.random((min(rows, draws - start), judged.n))
        correct = u < confidence
        labels = np.repeat(prediction[None, :], len(u), axis=0)
        # Sample by sample, because draw by draw the search reads all N K numbers for each draw and takes twice as long.
        sample, draw = np.nonzero(~correct.T)
        share = (u[draw, sample] - confidence[sample]) / (1 - confidence[sample])
        # Sample i has the interval (i, i + 1] of the running shares, so one search serves all samples.
        place = np.searchsorted(running, sample + share, side="right")
        labels[draw, sample] = np.clip(place - sample * width, 0, width - 1)
        yield correct, labels


def _running_shares(judged: Judged) -> Floats:
    """`[N, K]`: i + the share of classes 0 .. k among the probability of all classes other than the prediction."""
    shares = judged.probs.copy()
    shares[np.arange(judged.n), judged.prediction] = 0
    total = shares.sum(axis=1, keepdims=True)
    # A total of 0 means confidence 1: every draw is the prediction, and the row is never searched.
    shares /= np.where(total > 0, total, 1)
    np.cumsum(shares, axis=1, out=shares)
    np.minimum(shares, 1, out=shares)
    shares += np.arange(judged.n)[:, None]
    return shares
