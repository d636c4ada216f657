"""Squared kernel calibration error (SKCE) of the whole probability vector, estimated without bias, with its test."""

from __future__ import annotations

import math

from calibench.errors import InputError
from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once
from calibench.metrics.metric import Details
from calibench.metrics.weighted import weighted_sums
from calibench.metrics.weighted_metric import WeightedMetric
from calibench.plugins.params import Param
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="skce",
    place=250,
    summary="Squared kernel calibration error of the whole probability vector, unbiased: 0 on average if calibrated.",
    target=f"{__name__}:SKCE",
    params=(
        Param("bandwidth", "float", 0.0, "the bandwidth of the kernel; 0: median distance of two samples", minimum=0.0),
    ),
    unit="squared probability",
    equation="mean over pairs i < j of exp(-TV(p_i, p_j) / s) (p_i - e_i) . (p_j - e_j)",
    paper="Widmann, Lindsten & Zachariah 2019, arXiv:1910.11385",
    deviations=(
        "e_i is the one-hot label, TV total variation, and s the median of TV over pairs, as in the paper's experiments.",
        "Above 5 000 samples only pairs in the same of several blocks count, 25 million in all.",
        "The details hold the p-value, from 1 000 random flips of the signs of samples in place of Arcones & Gine's bootstrap.",
        "s follows the predictions, so figures of two models compare only with a fixed `bandwidth`.",
    ),
    rankable=False,
    optional=True,
)

PAIRS = 25_000_000
"""At most about this many ordered pairs count. Their terms are kept for the resamples: 200 MB."""

FLIPS, STREAM = 1000, 3
"""The number of random flips of the test, and the seed of their stream."""

ROUNDING = 1e-14
"""The rounding error of a sum of terms, relative to the sum of their sizes."""


class SKCE(WeightedMetric):
    """`mean over pairs i < j of exp(-TV(p_i, p_j) / s) (p_i - e_i) . (p_j - e_j)`, e_i the one-hot label of sample i.

    TV is `1/2 sum over k of |p_ik - p_jk|`. The bandwidth s is the median of TV over the pairs i < j that count, or their mean
    if the median is 0, or 1 if all predictions are equal.

    It is an unbiased estimate, so it can be negative. Its cost grows with the square of N: above 5 000 samples, sample i is in
    block `i mod G`, `G = ceil(N^2 / 25 000 000)`, and only pairs within a block count. The order of samples then matters.
    A pair of weighted samples has the product of their weights; the bandwidth is that of the samples of a weight above 0.
    A resample is judged with the bandwidth and the blocks of the sample, and a pair of copies does not count: so it is unbiased
    too. NaN if no pair counts. Source: Widmann, Lindsten & Zachariah 2019 (the estimator SKCE_uq).
    """

    takes_weights = True

    def __init__(self, bandwidth: float = 0.0) -> None:
        if not 0 <= bandwidth < math.inf:
            raise InputError(f"{bandwidth!r} is not a bandwidth", "give a number above 0, or 0 for the median distance")
        self.bandwidth = bandwidth

    def applies(self, judged: Judged) -> bool:
        """False if a sample has several labels: its answers are not independent."""
        return judged.labels_per_sample == 1

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The mean over pairs of different samples, each weighted by the product of their weights."""
        total, pairs = np.zeros(len(weights)), np.zeros(len(weights))
        counts = _counts(judged, weights)
        for rows, terms in self._blocks(judged):
            of_block = counts[:, rows]
            total += _pair_sums(of_block, terms)
            pairs += of_block.sum(axis=1) ** 2 - (of_block**2).sum(axis=1)
        figure: Floats = total / np.where(pairs > 0, pairs, np.nan)
        return figure

    def details(self, judged: Judged) -> Details:
        """`bandwidth`, `blocks`, and `p_value`: the share of random flips that score as high as the sample.

        A flip multiplies each p_i - e_i by a random sign (a wild bootstrap). As N grows, flips have the distribution that the
        figure of a calibrated model has.
        """
        blocks = self._blocks(judged)
        counts = _counts(judged, once(judged))
        generator = np.random.Generator(np.random.PCG64(STREAM))
        total, flipped = 0.0, np.zeros(FLIPS)
        for rows, terms in blocks:
            signs = generator.choice([-1.0, 1.0], size=(FLIPS, len(terms)))
            flipped += _pair_sums(counts[:, rows] * signs, terms)
            # A flip that changes no product must not fall below the sample by rounding.
            total += float(_pair_sums(counts[:, rows], terms)[0]) - ROUNDING * float(np.abs(terms).sum())
        p_value = (1 + int((flipped >= total).sum())) / (1 + FLIPS)
        defined = math.isfinite(self.value(judged))
        return {
            "bandwidth": self._bandwidth(judged.origin[0]),
            "blocks": len(blocks),
            "p_value": p_value if defined else math.nan,
        }

    def _blocks(self, judged: Judged) -> list[tuple[slice, Floats]]:
        """The rows of each block of all n samples that `take` chose from, and the term of each pair of them `[n / G, n / G]`."""
        first, _ = judged.origin
        return first.memo(("skce", self.bandwidth), lambda: self._terms(first))

    def _terms(self, judged: Judged) -> list[tuple[slice, Floats]]:
        from scipy.spatial.distance import cdist

        bandwidth, terms = self._bandwidth(judged), []
        gaps = judged.probs.copy()
        gaps[np.arange(judged.n), judged.labels] -= 1
        for rows in _rows(judged.n):
            p, gap = judged.probs[rows], gaps[rows]
            kernel: Floats = cdist(p, p, "cityblock")
            kernel /= -2 * bandwidth
            np.exp(kernel, out=kernel)
            kernel *= weighted_sums(gap, gap.T)
            terms.append((rows, kernel))
        return terms

    def _bandwidth(self, judged: Judged) -> float:
        return self.bandwidth or judged.memo("skce_bandwidth", lambda: _median_distance(judged))


def _rows(n: int) -> list[slice]:
    """The rows of each block of n samples."""
    count = -(-n * n // PAIRS)
    return [slice(block, None, count) for block in range(count)]


def _counts(judged: Judged, weights: Floats) -> Floats:
    """The weight of each of the n samples that `take` chose from, `[B, n]`, for weights `[B, N]` of those that it chose."""
    first, places = judged.origin
    if first is judged:
        return weights
    return np.array([np.bincount(places, weights=row, minlength=first.n) for row in weights])


def _pair_sums(counts: Floats, terms: Floats) -> Floats:
    """`sum over i != j of counts_i counts_j terms_ij`, `[B]`, for counts `[B, n]`."""
    sums: Floats = (weighted_sums(counts, terms) * counts).sum(axis=1) - weighted_sums(counts**2, terms.diagonal())
    return sums


def _median_distance(judged: Judged) -> float:
    """The median total variation over pairs in the same block; the mean if that is 0, and 1 if there is no distance at all."""
    from scipy.spatial.distance import pdist

    blocks = (judged.probs[rows] for rows in _rows(judged.n))
    if judged.sample_weight is not None:
        blocks = (judged.probs[rows][judged.sample_weight[rows] > 0] for rows in _rows(judged.n))
    distances = np.concatenate([pdist(block, "cityblock") for block in blocks]) / 2
    if not distances.any():
        return 1.0
    return float(np.median(distances)) or float(distances.mean())
