"""`isotonic`: isotonic regression (Zadrozny and Elkan 2002)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec
from calibench.lazy import np
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats
from calibench_methods.calibrators.parameters import FLOOR, ROWS, of

SPEC = MethodSpec(
    name="isotonic",
    kind="calibrator",
    target=f"{__name__}:Isotonic",
    summary="Isotonic regression: the best non-decreasing map of each class's probability.",
    params=(FLOOR, of("classes")),
    equation="q = max(m(p), floor), m = argmin over non-decreasing m of sum (m(p_i) - hit_i)^2, linear between corners",
    paper=(
        "B. Zadrozny, C. Elkan, Transforming Classifier Scores into Accurate Multiclass Probability Estimates, KDD 2002"
    ),
    deviations=(
        "values below floor are raised to it: a 0 for a label costs an infinite NLL. With about 50 hits a class (5 000 "
        "rows, 100 classes) the map overfits all the same and can raise the NLL of a network that was nearly "
        "calibrated: WRN-16-4 in docs/evidence/calibrators.md; of=top does not there",
        *ROWS,
    ),
)


class Isotonic(BinaryMap):
    """The non-decreasing function of `p_k` nearest to the hits in squares, by scikit-learn, at least `floor`.

    Between the points it was fitted on it is linear, beyond them constant.
    """

    def __init__(self, floor: float | None, of: str) -> None:
        super().__init__(of)
        self.floor = floor

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`p` and `value`: the corners of the function."""
        from sklearn.isotonic import IsotonicRegression

        found = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(column.p, hit)
        value = np.maximum(found.y_thresholds_, least(self.floor, len(hit)))
        return {"p": found.X_thresholds_.tolist(), "value": value.tolist()}

    def apply_one(self, column: Column, fitted: dict[str, Any]) -> Floats:
        """Linear between corners."""
        return np.asarray(np.interp(column.p, fitted["p"], fitted["value"]))


def least(floor: float | None, rows: int) -> float:
    """The floor as given, or 1 / (rows + 2): no class is called impossible by a sample that could not have told."""
    return 1 / (rows + 2) if floor is None else floor
