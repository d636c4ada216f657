"""OOD detection: how well uncertainty tells rows of other classes (OOD) from test rows (ID), with bootstrap intervals over both.

A row is taken for ID if its uncertainty is at most a threshold. ID is the positive class unless the name of a figure says
otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from calibench.errors import InputError
from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.bootstrap import Sampling, multiplicities

KEPT_PERCENT = 95
"""FPR95 is taken at the first threshold that keeps this percentage of ID."""

FIGURES = ("auroc", "aupr", "aupr_out", "fpr95")
"""`auroc`, `aupr`: ID is positive; `aupr_out`: OOD is positive; `fpr95`: the share of OOD kept with 95 % of ID."""

HIGHER_IS_BETTER = ("auroc", "aupr", "aupr_out")
"""The figures of which higher is better."""


@dataclass(frozen=True)
class Ranked:
    """Uncertainty of ID rows `[n]` and OOD rows `[m]`, as ranks among the distinct values: rank 0 is the smallest."""

    ranks_in: Ints
    ranks_out: Ints
    num_ranks: int

    @classmethod
    def by_uncertainty(cls, uncertainty_in: Floats, uncertainty_out: Floats) -> Ranked:
        """Rank uncertainties `[n]` and `[m]`. Raises InputError if one is empty or holds a NaN."""
        both = np.concatenate([uncertainty_in, uncertainty_out])
        if not len(uncertainty_in) or not len(uncertainty_out) or np.isnan(both).any():
            message = "OOD figures need the uncertainty of at least one ID and one OOD row, and no NaN"
            raise InputError(message, "check the scores")
        distinct, ranks = np.unique(both, return_inverse=True)
        ranks = ranks.reshape(-1).astype(np.int64)
        return cls(ranks[: len(uncertainty_in)], ranks[len(uncertainty_in) :], len(distinct))

    def figures(self, weight_in: Floats | None = None, weight_out: Floats | None = None) -> dict[str, float]:
        """Every figure. Whole-number weights `[n]` and `[m]` say how often each row counts; None means once."""
        count_in = np.bincount(self.ranks_in, weights=weight_in, minlength=self.num_ranks).astype(np.float64)
        count_out = np.bincount(self.ranks_out, weights=weight_out, minlength=self.num_ranks).astype(np.float64)
        return _figures(count_in, count_out)


def ood_figures(uncertainty_in: Floats, uncertainty_out: Floats) -> dict[str, float]:
    """`auroc`, `aupr`, `aupr_out` and `fpr95` from the uncertainty of ID rows `[n]` and OOD rows `[m]`; fractions.

    `auroc` is P(ID less uncertain than OOD) + P(equal) / 2 over all pairs. `aupr` is the average precision
    `sum over thresholds of (recall - recall before) * precision`, with equal uncertainties under one threshold and no
    interpolation, as in scikit-learn. `fpr95` is the share of OOD rows whose uncertainty is at most that of the
    ceil(0.95 n)-th surest ID row: the first threshold that keeps 95 % of ID, without interpolation.
    Source: Hendrycks & Gimpel 2017 (arXiv 1610.02136), who write AUPR-In and AUPR-Out. OpenOOD takes OOD as positive: AUROC is
    the same, the other figures are not.
    """
    return Ranked.by_uncertainty(uncertainty_in, uncertainty_out).figures()


def _figures(count_in: Floats, count_out: Floats) -> dict[str, float]:
    """Every figure from the numbers of ID and OOD rows at each distinct uncertainty, smallest first."""
    kept_in, kept_out = np.cumsum(count_in), np.cumsum(count_out)
    n, m = kept_in[-1], kept_out[-1]
    more_uncertain_out = m - kept_out
    auroc = float(count_in @ (more_uncertain_out + count_out / 2)) / (n * m)
    # Whole numbers in float64: the comparison 100 kept >= 95 n is exact.
    first = int(np.argmax(100 * kept_in >= KEPT_PERCENT * n))
    # With OOD as positive, a row is taken for OOD if its uncertainty is at least the threshold.
    flagged_out, flagged_in = m - kept_out + count_out, n - kept_in + count_in
    return {
        "auroc": auroc,
        "aupr": _average_precision(count_in, kept_in, kept_in + kept_out),
        "aupr_out": _average_precision(count_out, flagged_out, flagged_in + flagged_out),
        "fpr95": float(kept_out[first] / m),
    }


def _average_precision(positives: Floats, true_positives: Floats, selected: Floats) -> float:
    """`sum over thresholds of positives / all positives * true_positives / selected`.

    `positives` counts those at each threshold alone, the other two accumulate. A threshold that selects nothing adds 0.
    """
    return float(np.sum(positives * true_positives / np.maximum(selected, 1)) / positives.sum())


def ood_replicates(ranked: Ranked, sampling: Sampling, *, seed_out: int) -> dict[str, Floats]:
    """Every figure in each of B resamples, `[B]`; both ID and OOD rows are drawn with replacement.

    ID rows are drawn from the stream of the run's other metrics, OOD rows from that of `seed_out`. So two methods judged on
    the same sets are paired, and the means over several OOD sets share their ID resamples.
    """
    resamples, _, seed = sampling.check()
    weights_in = _weights(len(ranked.ranks_in), resamples, seed)
    weights_out = _weights(len(ranked.ranks_out), resamples, seed_out)
    replicates = [ranked.figures(*weights) for weights in zip(weights_in, weights_out, strict=True)]
    return {name: np.array([figures[name] for figures in replicates]) for name in FIGURES}


def _weights(n: int, resamples: int, seed: int) -> Iterator[Floats]:
    """The count of each of N rows in each resample: one `[N]` per resample."""
    for block in multiplicities(n, resamples, seed):
        yield from block
