"""OOD detection: how well uncertainty tells rows of other classes (OOD) from test rows (ID), with bootstrap intervals over both.

A row is taken for ID where its uncertainty is at most a threshold; ID is positive unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from calibench.errors import InputError
from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.bootstrap import check_sampling, multiplicities

KEPT_PERCENT = 95
"""FPR95 is read where at least so much of ID is kept."""

FIGURES = ("auroc", "aupr", "aupr_out", "fpr95")
"""`auroc`, `aupr`: ID is positive; `aupr_out`: OOD is; `fpr95`: the share of OOD kept with 95 % of ID."""

HIGHER = ("auroc", "aupr", "aupr_out")
"""Better when higher."""


@dataclass(frozen=True)
class Ranked:
    """Doubts of ID and OOD rows, as ranks among their distinct values: rank 0 is the least uncertainty of all."""

    ranks_in: Ints
    ranks_out: Ints
    values: int

    @classmethod
    def of(cls, uncertainty_in: Floats, uncertainty_out: Floats) -> Ranked:
        """Doubts `[n]` and `[m]`; InputError where one is empty or a uncertainty is NaN."""
        both = np.concatenate([uncertainty_in, uncertainty_out])
        if not len(uncertainty_in) or not len(uncertainty_out) or np.isnan(both).any():
            raise InputError("OOD figures need at least one ID and one OOD uncertainty, and no NaN", "check the scores")
        distinct, ranks = np.unique(both, return_inverse=True)
        ranks = ranks.reshape(-1).astype(np.int64)
        return cls(ranks[: len(uncertainty_in)], ranks[len(uncertainty_in) :], len(distinct))

    def figures(self, weight_in: Floats | None = None, weight_out: Floats | None = None) -> dict[str, float]:
        """Every figure, of rows that count as often as their whole-number weights say (None: once)."""
        count_in = np.bincount(self.ranks_in, weights=weight_in, minlength=self.values).astype(np.float64)
        count_out = np.bincount(self.ranks_out, weights=weight_out, minlength=self.values).astype(np.float64)
        return _figures(count_in, count_out)


def ood_figures(uncertainty_in: Floats, uncertainty_out: Floats) -> dict[str, float]:
    """`auroc`, `aupr`, `aupr_out`, `fpr95` of doubts `[n]` of ID rows and `[m]` of OOD rows; fractions.

    `auroc` is P(ID doubted less than OOD) + P(equal) / 2 over all pairs. `aupr` is the average precision
    `sum over thresholds of (recall - recall before) precision`, equal doubts under one threshold, no interpolation, as
    scikit-learn has it. `fpr95` is the share of OOD whose uncertainty is at most that of the ceil(0.95 n)-th surest ID row: the
    first threshold that keeps 95 % of ID, without interpolation. Source: Hendrycks & Gimpel 2017 (arXiv 1610.02136), who
    write AUPR-In and AUPR-Out; OpenOOD takes OOD as positive, which leaves AUROC as it is and changes the others.
    """
    return Ranked.of(uncertainty_in, uncertainty_out).figures()


def _figures(count_in: Floats, count_out: Floats) -> dict[str, float]:
    """From how many ID and OOD rows have each distinct uncertainty, least first."""
    kept_in, kept_out = np.cumsum(count_in), np.cumsum(count_out)
    n, m = kept_in[-1], kept_out[-1]
    later_out = m - kept_out
    auroc = float(count_in @ (later_out + count_out / 2)) / (n * m)
    # Whole numbers in float64: 100 kept >= 95 n compares exactly.
    first = int(np.argmax(100 * kept_in >= KEPT_PERCENT * n))
    # From the other end, OOD is positive where its uncertainty is high.
    flagged_out, flagged_in = m - kept_out + count_out, n - kept_in + count_in
    return {
        "auroc": auroc,
        "aupr": _average_precision(count_in, kept_in, kept_in + kept_out),
        "aupr_out": _average_precision(count_out, flagged_out, flagged_in + flagged_out),
        "fpr95": float(kept_out[first] / m),
    }


def _average_precision(gained: Floats, true: Floats, taken: Floats) -> float:
    """`sum of gained / positives * true / taken`; where nothing is taken nothing is gained."""
    return float(np.sum(gained * true / np.maximum(taken, 1)) / gained.sum())


def ood_replicates(ranked: Ranked, *, resamples: int, seed: int, seed_out: int) -> dict[str, Floats]:
    """Every figure in each of B resamples, `[B]`, with ID and OOD rows both drawn with replacement.

    ID rows are drawn by the stream of the run's other metrics, OOD rows by that of `seed_out`, so that two methods judged
    on the same sets are paired, and the means over several sets share their ID resamples.
    """
    check_sampling(resamples, seed)
    streams = zip(
        _rows(len(ranked.ranks_in), resamples, seed), _rows(len(ranked.ranks_out), resamples, seed_out), strict=True
    )
    found = [ranked.figures(weight_in, weight_out) for weight_in, weight_out in streams]
    return {name: np.array([figures[name] for figures in found]) for name in FIGURES}


def _rows(n: int, resamples: int, seed: int) -> Iterator[Floats]:
    for block in multiplicities(n, resamples, seed):
        yield from block
