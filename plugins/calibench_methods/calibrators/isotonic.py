"""`isotonic`: isotonic regression (Zadrozny and Elkan 2002)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench import MethodSpec
from calibench.lazy import np
from calibench.stages import Ops
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats
from calibench_methods.calibrators.parameters import FLOOR, OF_DEVIATIONS, least_value, of_param

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC = MethodSpec(
    name="isotonic",
    kind="calibrator",
    advice_order=5,
    advice_per_class=10,
    target=f"{__name__}:Isotonic",
    summary="Isotonic regression: the best non-decreasing map of each class's probability.",
    params=(FLOOR, of_param("classes")),
    equation="q = max(m(p), floor), m = argmin over non-decreasing m of sum (m(p_i) - hit_i)^2, linear between corners",
    use_when="the error has an unknown shape and a map has a thousand cal rows or more; of=top has one map for all",
    avoid_when="classes have few cal rows: about 50 each raise the NLL of WRN-16-4 from 0.94 to 1.00; steps also tie rows",
    cost="a sort and one sweep of cal a class",
    paper=(
        "B. Zadrozny, C. Elkan, Transforming Classifier Scores into Accurate Multiclass Probability Estimates, KDD 2002"
    ),
    deviations=(
        "values below floor are raised to it, because a 0 for a label costs an infinite NLL. With about 50 hits per class "
        "(5 000 rows, 100 classes) the map still overfits, and can raise the NLL of a network that was nearly calibrated: "
        "WRN-16-4 in docs/evidence/calibrators.md, where of=top does not",
        *OF_DEVIATIONS,
    ),
)


class Isotonic(BinaryMap):
    """The non-decreasing function of `p_k` with the least squared distance to the hits, by SciPy, at least `floor`.

    It is linear between the fitted points and constant beyond them.
    """

    def __init__(self, floor: float | None, of: str) -> None:
        super().__init__(of)
        self.floor = floor

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`p` and `value`: the corners of the function."""
        p, mean, _ = non_decreasing_means(column.p, hit)
        corner = corners(mean)
        value = np.maximum(mean[corner], least_value(self.floor, len(hit)))
        return {"p": p[corner].tolist(), "value": value.tolist()}

    def curve(self, ops: Ops, column: Column, fitted: dict[str, Any]) -> Any:
        """The interpolated function."""
        return ops.interpolate(column.p, ops.constant(fitted["p"]), ops.constant(fitted["value"]))


def non_decreasing_means(p: Floats, hit: Floats) -> tuple[Floats, Floats, Floats]:
    """The distinct values of `p [N]`, ascending, the isotonic fit of `hit [N]` at each, and the number of samples at each."""
    from scipy.optimize import isotonic_regression  # scikit-learn's takes a second to import

    distinct, run, count = np.unique(p, return_inverse=True, return_counts=True)
    fitted = isotonic_regression(np.bincount(run, weights=hit) / count, weights=count).x
    return distinct, np.clip(fitted, 0, 1), count.astype(np.float64)


def corners(value: Floats) -> NDArray[np.bool_]:
    """The points `[N]` at which a piecewise linear function through `value` can bend: not those between two equal neighbours."""
    corner = np.ones(len(value), dtype=bool)
    corner[1:-1] = (value[1:-1] != value[:-2]) | (value[1:-1] != value[2:])
    return corner
