"""The loss that is left after temperature scaling, cross-validated: an estimate of the refinement part of a proper loss."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import draws_of, once, times_weight
from calibench.metrics.weighted import weighted_sums
from calibench.plugins.params import Param

FOLDS = Param(
    "folds",
    "int",
    5,
    "folds of the cross-validation; 1 fits the temperature to the samples that it is judged on",
    minimum=1,
    maximum=100,
)

DEVIATIONS = (
    "Folds are dealt in the order of (label, NLL, Brier score, tail) in place of a seeded shuffle; `folds=1` fits and "
    "judges on the same samples.",
    "T lies in [1/50, 50]. It is plain temperature scaling: probmetrics can also mix in a small uniform share.",
)
"""Deviations of the refinement parts from the paper."""

Loss = Literal["nll", "brier"]

LARGEST_T = 50.0
"""T lies in [1/50, 50]."""

PANELS = 16
"""The range of log T is cut into this many panels of equal width."""

NODES = 28
"""Chebyshev nodes of a panel, both ends included. The curves are analytic in log T, up to 0.4 from the real axis or farther at
a thousand classes, so the polynomial equals them to 1e-13."""

HALVINGS = 56
"""Halvings of a panel until its width is below the spacing of float64."""

BLOCK = 16
"""Resamples that are worked on together: the folds of each take `folds * N` numbers."""


class _Curves(NamedTuple):
    """The slope of the NLL over log T, the NLL and the Brier score at each node, `[N, nodes]` each."""

    slope: Floats
    nll: Floats
    brier: Floats


def refinement(judged: Judged, weights: Floats, folds: int, loss: Loss) -> Floats:
    """The loss of each resample after temperature scaling, `[B]`: T is fitted by NLL to the other folds.

    Samples are dealt to the folds in turn, in the order of (label, NLL, Brier score, tail): the folds do not depend on the
    order of the samples, and the classes are spread evenly. NaN if the other folds are empty, as with N = 1.
    """
    blocks = [_refinement(judged, weights[i : i + BLOCK], folds, loss) for i in range(0, len(weights), BLOCK)]
    return np.concatenate(blocks)


def temperatures(judged: Judged, folds: int) -> Floats:
    """The T of each fold, `[folds]`."""
    held_out = _fold_counts(judged, once(judged), folds)
    fitted: Floats = np.exp(_log_temperatures(judged, held_out, folds)[0])
    return fitted


def _refinement(judged: Judged, weights: Floats, folds: int, loss: Loss) -> Floats:
    held_out = _fold_counts(judged, weights, folds)
    u = _log_temperatures(judged, held_out, folds)
    losses = np.zeros(u.shape)
    panel = _panel_of(u)
    for number in np.unique(panel[~np.isnan(u)]):
        rows = panel == number
        table = getattr(_panel(judged, int(number)), loss)
        losses[rows] = (weighted_sums(held_out[rows], table) * _cardinals(u[rows], int(number))).sum(axis=1)
    judged_once = held_out.sum(axis=2) > 0
    losses[np.isnan(u)] = np.nan
    total: Floats = np.where(judged_once, losses, 0).sum(axis=1) / weights.sum(axis=1)
    return total


def _fold_counts(judged: Judged, weights: Floats, folds: int) -> Floats:
    """How often each fold of each resample contains sample i, `[B, folds, N]`, times its weight."""
    order: Ints = judged.memo(
        "fold_order", lambda: np.lexsort((judged.tail, judged.brier, judged.nll, judged.labels)).astype(np.int64)
    )
    counts = draws_of(judged, weights)[:, order].astype(np.int64)
    end = counts.cumsum(axis=1)
    fold = np.arange(folds)[None, :, None]
    # Copies of a sample take the places start .. end - 1, and place j is in fold j mod folds.
    in_fold = (end[:, None] - 1 - fold) // folds - (end[:, None] - counts[:, None] - 1 - fold) // folds
    held_out = np.empty(in_fold.shape)
    held_out[:, :, order] = in_fold
    return times_weight(judged, held_out)


def _log_temperatures(judged: Judged, held_out: Floats, folds: int) -> Floats:
    """log T at the minimum of the NLL of the samples outside each fold, `[B, folds]`; NaN if there are none.

    At the ends of the range T stays there; T = 1 if the NLL does not depend on T.
    """
    slopes = _fitted_to(weighted_sums(_rows(held_out), _edge_slopes(judged)), held_out, folds)
    falls = slopes < 0
    # The NLL falls up to its minimum and rises after it.
    panel = np.clip(falls.sum(axis=-1) - 1, 0, PANELS - 1)
    u = np.where(falls[..., 0], math.log(LARGEST_T), -math.log(LARGEST_T))
    inside = falls[..., 0] & ~falls[..., -1]
    for number in np.unique(panel[inside]):
        chosen = np.nonzero((panel == number) & inside)
        sums = weighted_sums(_rows(held_out), _panel(judged, int(number)).slope)
        u[chosen] = _zero(_fitted_to(sums, held_out, folds)[chosen], int(number))
    u[slopes[..., PANELS // 2] == 0] = 0
    u[_fitted_to(held_out.sum(axis=2).ravel(), held_out, folds) == 0] = np.nan
    return u


def _rows(held_out: Floats) -> Floats:
    return held_out.reshape(-1, held_out.shape[2])


def _fitted_to(sums: Floats, held_out: Floats, folds: int) -> Floats:
    """Sums over the samples outside each fold, `[B, folds, ...]`, from those of each fold; with one fold, those of the fold."""
    per_fold = sums.reshape(*held_out.shape[:2], *sums.shape[1:])
    others: Floats = per_fold if folds == 1 else per_fold.sum(axis=1, keepdims=True) - per_fold
    return others


def _edges() -> Floats:
    """log T at the ends of the panels, `[PANELS + 1]`; the middle one is exactly 0."""
    return np.arange(-PANELS // 2, PANELS // 2 + 1, dtype=np.float64) * (2 * math.log(LARGEST_T) / PANELS)


def _panel_of(u: Floats) -> Ints:
    place = np.searchsorted(_edges(), np.nan_to_num(u), side="right") - 1
    return np.clip(place, 0, PANELS - 1)


def _nodes() -> Floats:
    """Chebyshev nodes in [-1, 1], `[NODES]`."""
    nodes: Floats = np.cos(np.pi * np.arange(NODES) / (NODES - 1))
    return nodes


def _cardinals(u: Floats, panel: int) -> Floats:
    """The coefficients of the values at the nodes in the polynomial at each of `u [R]`, `[R, NODES]`: barycentric formula."""
    low, high = _edges()[panel : panel + 2]
    gap = (2 * u - low - high)[:, None] / (high - low) - _nodes()
    sign = np.where(np.arange(NODES) % 2 == 0, 1.0, -1.0)
    sign[[0, -1]] /= 2
    at_node = gap == 0
    ratio = sign / np.where(at_node, 1, gap)
    ratio = np.where(at_node.any(axis=1, keepdims=True), at_node, ratio)
    cardinals: Floats = ratio / ratio.sum(axis=1, keepdims=True)
    return cardinals


def _zero(slopes: Floats, panel: int) -> Floats:
    """Where the polynomial through `slopes [R, NODES]` changes sign, `[R]`, by halving the panel."""
    low, high = (np.full(len(slopes), edge) for edge in _edges()[panel : panel + 2])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        falls = (_cardinals(middle, panel) * slopes).sum(axis=1) < 0
        low, high = np.where(falls, middle, low), np.where(falls, high, middle)
    zero: Floats = (low + high) / 2
    return zero


def _edge_slopes(judged: Judged) -> Floats:
    """The slope of each sample's NLL at the ends of the panels, `[N, PANELS + 1]`."""
    return judged.memo("temperature_edges", lambda: _curves(judged, _edges()).slope)


def _panel(judged: Judged, number: int) -> _Curves:
    """The curves of each sample at the nodes of a panel, built when a T first lies in it."""
    low, high = _edges()[number : number + 2]
    nodes = (low + high) / 2 + (high - low) / 2 * _nodes()
    return judged.memo(("temperature_panel", number), lambda: _curves(judged, nodes))


def _curves(judged: Judged, log_temperatures: Floats) -> _Curves:
    """The curves of each sample at each u = log T of `log_temperatures`."""
    logits = judged.outputs.logits().detach().cpu().numpy()
    gaps = np.subtract(logits, logits.max(axis=1, keepdims=True), order="C")
    sample = np.arange(judged.n)
    label_gap = gaps[sample, judged.labels]
    curves = _Curves(*(np.empty((judged.n, len(log_temperatures))) for _ in range(3)))
    for j, scale in enumerate(np.exp(-log_temperatures)):
        p = np.exp(scale * gaps)
        total = p.sum(axis=1)
        p /= total[:, None]
        mean_gap = np.einsum("nk,nk->n", p, gaps)
        curves.slope[:, j] = scale * (label_gap - mean_gap)
        curves.nll[:, j] = np.log(total) - scale * label_gap
        curves.brier[:, j] = np.einsum("nk,nk->n", p, p) - 2 * p[sample, judged.labels] + 1
    return curves
