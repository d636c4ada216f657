"""Structured scaling: temperature scaling by probmetrics, then a linear map of ln p that a ridge pulls towards the identity."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from abc import abstractmethod
from typing import Any

from calibench import InputError, Outputs, RunError
from calibench.lazy import np, torch
from calibench.stages import FormulaCalibrator, Ops, Scores
from calibench_methods.calibrators.multiclass import unit_rows, with_nll

LEAST_LOG_P = -87.33654475055310
"""ln of the least normal float32, at which probmetrics clips ln p."""

PROBMETRICS = ("probmetrics", "numba", "torchmin")
"""The modules that probmetrics' calibrators import; it declares only the last of its needs."""

STRUCTURED_DEVIATIONS = (
    'the probmetrics package itself fits the map (pip install "calibench[posthoc]"): bisection for the temperature, and BFGS in '
    "float32 with a ridge, its defaults",
    "the map is applied in float64; probmetrics rounds ln p to float32",
)


class StructuredScaling(FormulaCalibrator):
    """`softmax(W ln r + b)` with `r = (1 - u) softmax(s ln p) + u / K`, u = 1 / (n + 1), fitted by probmetrics."""

    peer: str
    """The name of probmetrics' class."""

    @abstractmethod
    def learned(self, peer: Any) -> dict[str, Any]:
        """The linear map of a fitted calibrator of probmetrics, as JSON."""

    @abstractmethod
    def linear(self, ops: Ops, z: Any, fitted: dict[str, Any]) -> Any:
        """The linear map of `z [N, K]`."""

    def check(self, num_classes: int) -> None:
        """InputError if probmetrics, or a package that its import asks for, is not installed."""
        missing = [name for name in PROBMETRICS if importlib.util.find_spec(name) is None]
        if missing:
            message = f"calibrator {self.peer.removesuffix('Calibrator').lower()!r} needs the package {missing[0]}"
            raise InputError(message, 'pip install "calibench[posthoc]"')

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`inverse_temperature`, `uniform`, the linear map, and the NLL of the same samples before and after, in nats."""
        self.check(outputs.num_classes)
        peer = getattr(importlib.import_module("probmetrics.calibrators"), self.peer)()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torchmin's search ends where float32 shows no descent, and warns
            peer.fit(unit_rows(outputs), labels.cpu().numpy())
        fitted = {
            "inverse_temperature": float(peer.ts_.cal_.invtemp_),
            "uniform": 1 / (len(outputs) + 1),
            **self.learned(peer),
        }
        if not all(np.isfinite(value).all() for value in fitted.values()):
            raise RunError(f"{self.peer}: probmetrics' search diverged", "use temperature, or more samples of cal")
        return with_nll(self, outputs, labels, fitted)

    def formula(self, scores: Scores, fitted: dict[str, Any]) -> Scores:
        """Logits `W ln r + b`."""
        ops = scores.ops
        log_p = ops.greatest(scores.log_probs(), LEAST_LOG_P)
        scaled = ops.softmax(log_p * fitted["inverse_temperature"])
        mixed = scaled * (1 - fitted["uniform"]) + fitted["uniform"] / scores.classes
        return scores.as_logits(self.linear(ops, ops.log(mixed), fitted))
