"""`temperature`: temperature scaling (Guo et al., ICML 2017)."""

from __future__ import annotations

from typing import Any

from calibench import Calibrator, MethodSpec, Outputs
from calibench.lazy import torch
from calibench_methods.calibrators.parameters import GUO

SPEC = MethodSpec(
    name="temperature",
    kind="calibrator",
    target=f"{__name__}:Temperature",
    summary="Temperature scaling: one scalar divides every logit; accuracy cannot change.",
    equation="p = softmax(logits / T), T = argmin NLL on cal, T in [1/50, 50]",
    paper=GUO,
    deviations=("a bracketed search over log T to 1e-6 in place of L-BFGS; T outside [1/50, 50] is refused",),
)


class Temperature(Calibrator):
    """`softmax(logits / T)` with T at the minimum of the NLL over log T, in [1/50, 50]; RunError where it lies outside."""

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`temperature`, and the NLL of the same samples before and after, in nats."""
        from calibench.kernels import fit_temperature

        # In float64 also from narrower scores: the NLL in the record is then the one that the metric of that name shows.
        found = fit_temperature(outputs.logits(), labels)
        return {"temperature": found.temperature, "nll_before": found.nll_before, "nll_after": found.nll_after}

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """Logits over T."""
        return Outputs(outputs.logits() / fitted["temperature"])
