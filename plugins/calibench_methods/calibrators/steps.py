"""Step functions of a probability: the bins, the counts in them, and calibrators that map by them."""

from __future__ import annotations

from typing import Any

from calibench.lazy import np
from calibench.stages import Ops
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats, Ints


class StepMap(BinaryMap):
    """A map that is constant between inner edges: `fitted` holds `edges`, and `value`, one number per bin `(lo, hi]`."""

    def curve(self, ops: Ops, column: Column, fitted: dict[str, Any]) -> Any:
        """The value of the bin that holds each probability."""
        return ops.step(column.p, ops.constant(fitted["edges"]), ops.constant(fitted["value"]))


def step_values(p: Floats, fitted: dict[str, Any]) -> Floats:
    """The step function `edges`, `value` at `p [N]`."""
    return np.asarray(fitted["value"])[np.searchsorted(fitted["edges"], p, side="left")]


def bin_counts(p: Floats, hit: Floats, edges: Floats) -> tuple[Ints, Floats]:
    """The number of samples and of hits in each bin between the inner edges."""
    index = np.searchsorted(edges, p, side="left")
    count: Ints = np.bincount(index, minlength=len(edges) + 1)
    hits: Floats = np.bincount(index, weights=hit, minlength=len(edges) + 1).astype(np.float64)
    return count, hits


def bin_centres(edges: Floats) -> Floats:
    """The centre of each bin between the inner edges, on [0, 1]."""
    ends = np.concatenate([[0.0], edges, [1.0]])
    centres: Floats = (ends[1:] + ends[:-1]) / 2
    return centres


def mass_edges(p: Floats, bins: int) -> Floats:
    """The inner edges of at most `bins` bins of near-equal count.

    An edge lies halfway between two neighbours. Equal values share a bin, so there can be fewer bins.
    """
    ordered = np.sort(p)
    cuts = np.arange(1, bins) * len(p) // bins
    cuts = cuts[cuts > 0]
    low, high = ordered[cuts - 1], ordered[cuts]
    edges: Floats = np.unique((low + (high - low) / 2)[low < high])
    return edges
