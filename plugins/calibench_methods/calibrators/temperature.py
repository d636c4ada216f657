"""`temperature`: temperature scaling (Guo et al., ICML 2017)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Outputs
from calibench.lazy import torch
from calibench.stages import FormulaCalibrator, Scores
from calibench_methods.calibrators.parameters import GUO

SPEC = MethodSpec(
    name="temperature",
    kind="calibrator",
    advice_order=1,
    target=f"{__name__}:Temperature",
    summary="Temperature scaling: one scalar divides every logit; accuracy cannot change.",
    equation="p = softmax(logits / T), T = argmin NLL on cal, T in [1/50, 50]",
    use_when="first of all: one number that needs few cal rows and changes no answer (DenseNet: ECE15 14.5 to 1.4 %)",
    avoid_when="classes err differently, or cal rows trained the network or are all answered right, which is refused",
    cost="a handful of passes over the logits of cal",
    paper=GUO,
    deviations=(
        "the fit is a bracketed search over log T to 1e-6 in place of L-BFGS; T outside [1/50, 50] is refused",
    ),
)


class Temperature(FormulaCalibrator):
    """`softmax(logits / T)`; T minimises the NLL, and RunError is raised if it lies outside [1/50, 50]."""

    scales = True

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`temperature`, and the NLL of the same samples before and after, in nats."""
        from calibench.kernels import fit_temperature

        # Narrower scores become float64, so that the NLL in the record equals the metric `nll`.
        fit = fit_temperature(outputs.logits(), labels)
        return {"temperature": fit.temperature, "nll_before": fit.nll_before, "nll_after": fit.nll_after}

    def formula(self, scores: Scores, fitted: dict[str, Any]) -> Scores:
        """Logits divided by T."""
        return scores.as_logits(scores.logits() / fitted["temperature"])

    def snippet(self, fitted: dict[str, Any]) -> list[str]:
        """One line."""
        return [f"z = z / {fitted['temperature']!r}"]
