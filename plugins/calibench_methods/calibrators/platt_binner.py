"""`platt-binner`: scaling-binning (Kumar, Liang and Ma, NeurIPS 2019)."""

from __future__ import annotations

from typing import Any

from calibench import InputError, MethodSpec, Param
from calibench.lazy import np
from calibench_methods.calibrators.histogram import mass_edges
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats
from calibench_methods.calibrators.parameters import ROWS, of
from calibench_methods.calibrators.platt import fit_sigmoid, sigmoid

SPEC = MethodSpec(
    name="platt-binner",
    kind="calibrator",
    target=f"{__name__}:PlattBinner",
    summary="Scaling-binning: a sigmoid fit, then its mean in bins of equal count.",
    params=(
        Param(
            "bins",
            "int",
            15,
            "bins of equal count (the paper's experiments: 10 to 100)",
            "bins",
            minimum=1,
            maximum=10_000,
        ),
        Param(
            "split",
            "bool",
            True,
            "fit the sigmoid and make the bins on different halves of cal, as the theorem wants",
        ),
        of("top"),
    ),
    equation="q = mean of g over the samples in the bin of g(p), g(p) = sigmoid(slope (ln p - ln(1 - p)) + bias)",
    paper="A. Kumar, P. Liang, T. Ma, Verified Uncertainty Calibration, NeurIPS 2019 (arXiv 1909.10155)",
    deviations=(
        "of=top by default, the paper's top-label calibration; of=classes its marginal calibration, rows then normalised",
        "split in two halves, of which the second makes the bins and their means; the paper's theorem parts these too",
        ROWS[1],
    ),
)


class PlattBinner(BinaryMap):
    """Platt scaling g, then the mean of g in the equal-mass bin that g(s) falls into.

    `split=true`: g is fitted on every second sample and the bins are made from the others, as the theorem wants.
    """

    def __init__(self, bins: int, split: bool, of: str) -> None:
        super().__init__(of)
        self.bins = bins
        self.split = split

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`slope`, `bias`, the inner `edges` on g, and the `value` of each bin."""
        odds = column.log_p - column.log_q
        if self.split and len(hit) < 2:
            raise InputError("platt-binner: one sample cannot be split in two", "give more, or split=false")
        # Of each outcome every second one, so that neither half is without hits where there are two.
        order = np.argsort(hit, kind="stable")
        first, second = (order[::2], order[1::2]) if self.split else (order, order)
        slope, bias = fit_sigmoid(odds[first], hit[first], "platt-binner")
        scaled = sigmoid(slope * odds[second] + bias)
        edges = mass_edges(scaled, self.bins)
        index = np.searchsorted(edges, scaled, side="left")
        value = np.bincount(index, scaled) / np.bincount(index)
        return {"slope": slope, "bias": bias, "edges": edges.tolist(), "value": value.tolist()}

    def apply_one(self, column: Column, fitted: dict[str, Any]) -> Floats:
        """The value of the bin that g(s) falls into."""
        scaled = sigmoid(fitted["slope"] * (column.log_p - column.log_q) + fitted["bias"])
        return np.asarray(fitted["value"])[np.searchsorted(fitted["edges"], scaled, side="left")]
