"""`irm`: one isotonic map for all classes together (Mix-n-Match, Zhang, Kailkhura and Han, ICML 2020)."""

from __future__ import annotations

from typing import Any

from calibench import Calibrator, MethodSpec, Outputs
from calibench.lazy import np, torch
from calibench.stages import Scores
from calibench_methods.calibrators.isotonic import corners, non_decreasing_means
from calibench_methods.calibrators.multiclass import probability_outputs, unit_rows, with_nll
from calibench_methods.calibrators.parameters import FLOOR, ZHANG, least_value

STRICT = 1e-9
"""Weight of p beside the map, by the authors' code: classes on one step keep their order."""

SPEC = MethodSpec(
    name="irm",
    kind="calibrator",
    target=f"{__name__}:IRM",
    summary="Isotonic regression of all classes together (Mix-n-Match): one map for every p_k; accuracy cannot change.",
    params=(FLOOR,),
    equation=(
        "q_k proportional to max(m(p_k), floor) + 1e-9 p_k, m = argmin over non-decreasing m of "
        "sum_i sum_k (m(p_ik) - [y_i = k])^2, linear between corners"
    ),
    paper=ZHANG,
    deviations=(
        "rows are divided by their sums, which the authors' code leaves out",
        "values below floor are raised to it, because a 0 for a label costs an infinite NLL; the default floor is "
        "1 / (N K + 2), because the fit has N K pairs of a sample and a class",
    ),
    use_when="there are many classes with few samples each, and the answers must not change",
    avoid_when="the classes are off in different ways: one map cannot mend them",
    cost="one isotonic fit of N K pairs: a tenth of a second for 5 000 rows of 100 classes",
)


class IRM(Calibrator):
    """`q_k ~ max(m(p_k), floor) + 1e-9 p_k` with a single non-decreasing m, fitted to all pairs of a sample and a class."""

    def __init__(self, floor: float | None) -> None:
        self.floor = floor

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`p` and `value`: the corners of the map; its `floor`; and the NLL of the same samples before and after, in nats."""
        hit = np.zeros((len(outputs), outputs.num_classes))
        hit[np.arange(len(outputs)), labels.cpu().numpy()] = 1
        p, mean, _ = non_decreasing_means(unit_rows(outputs).ravel(), hit.ravel())
        corner = corners(mean)
        fitted = {"p": p[corner].tolist(), "value": mean[corner].tolist(), "floor": least_value(self.floor, hit.size)}
        return with_nll(self, outputs, labels, fitted)

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """Probabilities `[N, K]` in the order of the given ones."""
        probs = unit_rows(outputs)
        mapped = np.maximum(np.interp(probs, fitted["p"], fitted["value"]), fitted["floor"]) + STRICT * probs
        return probability_outputs(mapped / mapped.sum(axis=1, keepdims=True), outputs)

    def formula(self, scores: Scores, fitted: dict[str, Any]) -> Scores:
        """The same by the operations of the scores."""
        ops, probs = scores.ops, scores.unit_probs()
        value = ops.interpolate(probs, ops.constant(fitted["p"]), ops.constant(fitted["value"]))
        return scores.as_probs(scores.normalised(ops.greatest(value, fitted["floor"]) + probs * STRICT))
