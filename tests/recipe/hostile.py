"""A plugin of the tests: stages that misbehave, and a calibrator whose changes no float32 can hold."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import nn

from calibench import Calibrator, MethodSpec, Outputs, Param, hookimpl
from calibench.stages import RefitTask
from calibench_methods.refits import tst


@hookimpl
def calibench_methods() -> list[MethodSpec]:
    how = Param("how", "str", "sound", "how it misbehaves")
    here = {"summary": "A test.", "params": (how,)}
    return [
        MethodSpec(name="hostile", kind="calibrator", target=f"{__name__}:Hostile", **here),
        MethodSpec(name="nudge", kind="calibrator", target=f"{__name__}:Nudge", summary="A test."),
        MethodSpec(name="no-calibrator", kind="calibrator", target=f"{__name__}:NoCalibrator", **here),
        MethodSpec(
            name="scaling", kind="refit", target=f"{__name__}:Scaling", summary="A test.", params=tst.SPEC.params
        ),
        MethodSpec(
            name="nan-head", kind="refit", target=f"{__name__}:NanHead", summary="A test.", params=tst.SPEC.params
        ),
    ]


class Hostile(Calibrator):
    """A calibrator that misbehaves as `how` says."""

    def __init__(self, how: str) -> None:
        self.how = how

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        if self.how == "exit":
            sys.exit(0)
        if self.how == "raise":
            raise ZeroDivisionError("of my own")
        if self.how == "tensor":
            return {"scale": torch.ones(2)}
        if self.how == "writes-scores":
            outputs.scores.sub_(outputs.scores.amax(dim=1, keepdim=True))
        if self.how == "writes-labels":
            labels.numpy()[:] = 0
        return {"stage": "somebody else", "noise": float(torch.rand(()))}

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Any:
        if self.how == "none":
            return None
        if self.how == "writes-apply":
            outputs.scores.numpy()[0] += 1.0
        if self.how == "shape":
            return Outputs(outputs.logits()[:, :1])
        if self.how == "nan":
            return Outputs(outputs.logits() * float("nan"))
        return outputs


class Nudge(Calibrator):
    """Adds 0 to 4e-7 to the logits of class 0, by row: float32 cannot hold that beside logits from 8 up."""

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        return {}

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        logits = outputs.logits().double()
        nudges = torch.zeros_like(logits)
        nudges[:, 0] = torch.arange(len(logits)) % 5 * 1e-7
        return Outputs(logits + nudges)


class NoCalibrator:
    """Not a calibrator."""

    def __init__(self, how: str) -> None:
        self.how = how


class Scaling(tst.TST):
    """A head refit that normalises the features of all later stages."""

    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, Any]:
        task.val_features.div_(2.0)
        return super().fit(head, task)


class NanHead(tst.TST):
    """A head refit whose outputs are not numbers."""

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        return Outputs(torch.full((len(features), 3), torch.nan))
