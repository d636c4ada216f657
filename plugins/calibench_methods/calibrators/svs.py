"""`svs`: structured vector scaling (Berta et al., AISTATS 2026), fitted by probmetrics."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec
from calibench.stages import Ops
from calibench_methods.calibrators.parameters import BERTA
from calibench_methods.calibrators.structured import STRUCTURED_DEVIATIONS, StructuredScaling

SPEC = MethodSpec(
    name="svs",
    kind="calibrator",
    target=f"{__name__}:SVS",
    summary="Structured vector scaling: temperature scaling, then a scale and a bias for each class, held by a ridge of K / n.",
    equation=(
        "p = softmax(v ln r + b), r = temperature-scaled p mixed with 1/K by 1/(n+1), "
        "(v, b) = argmin NLL on cal + K/n (|v - 1|^2 + |b|^2)"
    ),
    paper=BERTA,
    deviations=STRUCTURED_DEVIATIONS,
    use_when="answers may change, and cal is small or has many classes: second of CalArena's 18 multiclass maps by Brier",
    avoid_when="the answers must not change: `temperature`, `adaptive-temperature` or `ets` then",
    cost="a search over 2 K numbers: half a second for 5 000 rows of 100 classes, and 2 s for probmetrics' import",
)


class SVS(StructuredScaling):
    """`softmax(v ln r + b)` with v and b `[K]`."""

    peer = "SVSCalibrator"

    def learned(self, peer: Any) -> dict[str, Any]:
        """`scale` and `bias`, `[K]`."""
        return {"scale": peer.v_.tolist(), "bias": peer.b_.tolist()}

    def linear(self, ops: Ops, z: Any, fitted: dict[str, Any]) -> Any:
        """`v z + b`."""
        return z * ops.constant(fitted["scale"]) + ops.constant(fitted["bias"])
