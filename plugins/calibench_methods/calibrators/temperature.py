"""`temperature`: temperature scaling (Guo et al., ICML 2017)."""

from typing import Any

import torch

from calibench import Calibrator, Outputs
from calibench.kernels import fit_temperature


class Temperature(Calibrator):
    """`softmax(logits / T)` with T at the minimum of the NLL over log T, in [1/50, 50]; RunError where it lies outside."""

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`temperature`, and the NLL of the same samples before and after, in nats."""
        # In float64 also from narrower scores: the NLL in the record is then the one that the metric of that name shows.
        found = fit_temperature(outputs.logits(), labels)
        return {"temperature": found.temperature, "nll_before": found.nll_before, "nll_after": found.nll_after}

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """Logits over T."""
        return Outputs(outputs.logits() / fitted["temperature"])
