"""`sms`: structured matrix scaling (Berta et al., AISTATS 2026), fitted by probmetrics."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec
from calibench.stages import Ops
from calibench_methods.calibrators.parameters import BERTA
from calibench_methods.calibrators.structured import STRUCTURED_DEVIATIONS, StructuredScaling

SPEC = MethodSpec(
    name="sms",
    kind="calibrator",
    target=f"{__name__}:SMS",
    summary="Structured matrix scaling: temperature scaling, then a linear map held by ridges that grow with K and shrink with n.",
    equation=(
        "p = softmax(W ln r + b), r = temperature-scaled p mixed with 1/K by 1/(n+1), (W, b) = argmin NLL on cal + "
        "K/n (sum_k (W_kk - 1)^2 + |b|^2) + K (K - 1) / n sum_(i != j) W_ij^2"
    ),
    paper=BERTA,
    deviations=STRUCTURED_DEVIATIONS,
    use_when="there are three classes or more, and answers may change: first of CalArena's 18 multiclass maps by Brier",
    avoid_when="the answers must not change, or there are two classes, where `svs` or `spline-calib` say as much",
    cost="a search over K (K + 1) numbers: half a second for 5 000 rows of 100 classes, and 2 s for probmetrics' import",
)


class SMS(StructuredScaling):
    """`softmax(W ln r + b)` with W `[K, K]` and b `[K]`."""

    peer = "SMSCalibrator"

    def learned(self, peer: Any) -> dict[str, Any]:
        """`weight` `[K, K]` and `bias` `[K]`."""
        return {"weight": peer.W_[:, :-1].tolist(), "bias": peer.W_[:, -1].tolist()}

    def linear(self, ops: Ops, z: Any, fitted: dict[str, Any]) -> Any:
        """`W z + b`."""
        return ops.linear(z, ops.constant(fitted["weight"]), ops.constant(fitted["bias"]))
