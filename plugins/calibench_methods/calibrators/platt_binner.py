"""`platt-binner`: scaling-binning (Kumar, Liang and Ma, NeurIPS 2019)."""

from __future__ import annotations

from typing import Any

from calibench import InputError, MethodSpec, Param
from calibench.lazy import np
from calibench.stages import Ops
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats
from calibench_methods.calibrators.parameters import OF_DEVIATIONS, of_param
from calibench_methods.calibrators.platt import fit_sigmoid, sigmoid
from calibench_methods.calibrators.steps import mass_edges

SPEC = MethodSpec(
    name="platt-binner",
    kind="calibrator",
    target=f"{__name__}:PlattBinner",
    summary="Scaling-binning: fits a sigmoid, then replaces it by its mean in bins of equal count.",
    params=(
        Param(
            "bins",
            "int",
            15,
            "number of bins of equal count (the paper's experiments: 10 to 100)",
            "bins",
            minimum=1,
            maximum=10_000,
        ),
        Param(
            "split",
            "bool",
            True,
            "fit the sigmoid and the bins on different halves of cal, as the paper's theorem requires",
        ),
        of_param("top"),
    ),
    equation="q = mean of g over the samples in the bin of g(p), g(p) = sigmoid(slope (ln p - ln(1 - p)) + bias)",
    use_when="the remaining calibration error must be measurable: outputs take 15 values only",
    avoid_when="confidences rank rows, or of=classes with many classes: values tie (WRN-16-4: accuracy 76.0 to 49.6 %)",
    cost="a Newton fit of 2 numbers and one count of cal",
    paper="A. Kumar, P. Liang, T. Ma, Verified Uncertainty Calibration, NeurIPS 2019 (arXiv 1909.10155)",
    deviations=(
        "the default of=top is the paper's top-label calibration; of=classes is its marginal calibration, with rows normalised",
        "cal is split in two: bins and their means come from the same half, while the paper's theorem splits these too",
        OF_DEVIATIONS[1],
    ),
)


class PlattBinner(BinaryMap):
    """Platt scaling g, then the mean of g in the equal-mass bin of g(s).

    `split=true`: g is fitted on every second sample, and the bins on the others, as the theorem requires.
    """

    def __init__(self, bins: int, split: bool, of: str) -> None:
        super().__init__(of)
        self.bins = bins
        self.split = split

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`slope`, `bias`, the inner `edges` on g, and the `value` of each bin."""
        log_odds = column.log_p - column.log_q
        if self.split and len(hit) < 2:
            raise InputError("platt-binner: one sample cannot be split in two", "give more samples, or set split=false")
        # Every second sample of each outcome, so that with two hits or more both halves have one.
        order = np.argsort(hit, kind="stable")
        first, second = (order[::2], order[1::2]) if self.split else (order, order)
        slope, bias = fit_sigmoid(log_odds[first], hit[first], "platt-binner")
        scaled = sigmoid(slope * log_odds[second] + bias)
        edges = mass_edges(scaled, self.bins)
        index = np.searchsorted(edges, scaled, side="left")
        value = np.bincount(index, scaled) / np.bincount(index)
        return {"slope": slope, "bias": bias, "edges": edges.tolist(), "value": value.tolist()}

    def curve(self, ops: Ops, column: Column, fitted: dict[str, Any]) -> Any:
        """The value of the bin of g(s)."""
        g = ops.sigmoid((column.log_p - column.log_q) * fitted["slope"] + fitted["bias"])
        return ops.step(g, ops.constant(fitted["edges"]), ops.constant(fitted["value"]))
