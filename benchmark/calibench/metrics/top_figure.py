"""Figures of the top label as figures of gap sums, and whether a sample is large enough for an interval of them."""

from __future__ import annotations

from collections.abc import Callable

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.gap_cells import TopCells
from calibench.metrics.gap_figure import GapFigure, TopFigure
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once, total_of
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.sample_weight import effective_samples, nonzero

FEWEST = 10
"""So many right and so many wrong predictions are needed: with fewer, the noise of gaps is not known."""

FEWEST_A_CLASS = 20
"""So many samples a class are needed: with fewer, most cells are empty, and the interval covers too little."""

BINS, PARTS = 15, 64
"""Figures without bins look at parts of bins. A gap has its shape over the bins, and its noise over the parts."""


def too_few(judged: Judged) -> NoInterval | None:
    """Why the sample is too small for an interval; None if it is not."""
    if judged.sample_weight is None:
        right = int(judged.top_sums.correct)
        wrong = judged.n - right
    else:
        right, wrong = (int(effective_samples(judged.sample_weight[judged.correct == is_right])) for is_right in (1, 0))
    kind, count = ("right", right) if right < wrong else ("wrong", wrong)
    if count >= FEWEST:
        return None
    effectively = "" if judged.sample_weight is None else ", by their effective number"
    return NoInterval(f"of {judged.n} predictions {count} are {kind}{effectively}, and an interval needs {FEWEST}")


def top_cells(judged: Judged, bins: Ints, cells: Ints | None = None) -> TopCells | NoInterval:
    """Gaps of the top label over `bins [N]`, or over `cells [N]` within them."""
    return too_few(judged) or TopCells(
        np.minimum(judged.confidence, 1.0), judged.correct, bins, cells, judged.sample_weight
    )


def top_figure(judged: Judged, bins: Ints, value: Callable[[Floats], Floats]) -> GapFigure | NoInterval:
    """The figure `value` of gap sums of the top label over `bins [N]`."""
    cells = top_cells(judged, bins)
    return cells if isinstance(cells, NoInterval) else TopFigure(cells, value)


def rms_figure(judged: Judged, bins: Ints) -> GapFigure | NoInterval:
    """`sqrt(sum over bins of n_b / N * gap_b^2)` of the top label, as a figure of gap sums."""
    count, total = nonzero(np.bincount(bins, weights=judged.sample_weight)), total_of(judged)
    return top_figure(judged, bins, lambda sums: np.sqrt((sums**2 / count).sum(axis=-1) / total))


def fine_cells(judged: Judged) -> TopCells | NoInterval:
    """Parts of equal-width bins, for figures without bins: `PARTS` of each."""
    part = judged.bin_index(BINS * PARTS)
    return top_cells(judged, part // PARTS, part)


def too_few_of_a_class(judged: Judged) -> NoInterval | None:
    """Why there are too few samples a class for an interval of a class-wise figure; None if there are enough."""
    per_class = effective_samples(once(judged)) / judged.num_classes
    if per_class >= FEWEST_A_CLASS:
        return too_few(judged)
    return NoInterval(f"{per_class:.3g} samples a class are too few: {FEWEST_A_CLASS} are needed")
