"""TorchMap: a calibration map as an `nn.Module`; and Calibrated, a network with a map behind it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from calibench.errors import InputError
from calibench.maps.check_rows import check_rows
from calibench.maps.document import width
from calibench.maps.fitted_map import FittedMap
from calibench.outputs.several_labels import yes_no_outputs
from calibench.stages import Scores
from calibench.stages.torch_ops import TorchOps


class TorchMap(nn.Module):
    """`module(scores [..., K])` are calibrated probabilities of the same shape and type, differentiable in the scores.

    They are computed in the type of the module's buffers, float64 unless `module.float()` or a move to a device without float64
    changes it. The buffers are the constants of the formulas: they move with the module, and stand in its `state_dict`.
    """

    def __init__(self, fitted: FittedMap) -> None:
        """InputError for a map without a formula."""
        super().__init__()
        fitted.formula.require("a torch module")
        self._fitted = fitted
        ops = TorchOps()
        self._map(ops, check_rows(fitted.document).scores.double())
        for place, constant in enumerate(ops.constants):
            self.register_buffer(f"constant_{place}", constant)
        self._count = len(ops.constants)
        self.register_buffer("like", torch.zeros((), dtype=torch.float64))

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """Calibrated probabilities `[..., K]`, or `[..., Q]` if a sample has Q labels."""
        document = self._fitted.document
        columns = width(document)
        if scores.ndim < 1 or scores.shape[-1] != columns:
            message = f"scores have shape {list(scores.shape)}, and the map was fitted on {columns} columns"
            raise InputError(message, f"give [..., {columns}]")
        dtype: torch.dtype = self.like.dtype  # type: ignore[assignment]
        rows = scores.reshape(-1, columns).to(dtype)
        constants = [getattr(self, f"constant_{place}") for place in range(self._count)]
        ops = TorchOps(scores.device, dtype, constants)
        if document.labels_per_sample > 1:
            answers = yes_no_outputs(rows, document.scores == "probs").scores
            probs = self._map(ops, answers)[:, 1]
        else:
            probs = self._map(ops, rows)
        return probs.reshape(scores.shape).to(scores.dtype if scores.is_floating_point() else dtype)

    def _map(self, ops: TorchOps, rows: torch.Tensor) -> torch.Tensor:
        document = self._fitted.document
        scores = Scores(ops, rows, document.classes, document.scores == "probs")
        probs: torch.Tensor = self._fitted.formula(scores).probs()
        return probs

    @torch.no_grad()
    def decide(self, scores: torch.Tensor) -> torch.Tensor:
        """The rule's answer to each of `scores [N, K]`, `[N]` int64 with -1 for an abstention; without a rule, the top class.

        Computed in float64 on the CPU; `[N, Q]` of 0 and 1 if a sample has Q labels.
        """
        answers = self._fitted.decide(scores).answers
        return torch.from_numpy(answers).to(scores.device)

    def extra_repr(self) -> str:
        """The recipe."""
        return f"{self._fitted.recipe}, {self._fitted.document.scores}"


class Calibrated(nn.Module):
    """A network, and the map of its logits."""

    def __init__(self, net: nn.Module, calibration: TorchMap) -> None:
        super().__init__()
        self.net, self.calibration = net, calibration

    def forward(self, *inputs: Any, **options: Any) -> torch.Tensor:
        """Calibrated probabilities of what the network gives for these inputs."""
        probs: torch.Tensor = self.calibration(self._scores(*inputs, **options))
        return probs

    def decide(self, *inputs: Any, **options: Any) -> torch.Tensor:
        """The rule's answers, as `TorchMap.decide`."""
        with torch.no_grad():
            return self.calibration.decide(self._scores(*inputs, **options))

    def _scores(self, *inputs: Any, **options: Any) -> torch.Tensor:
        """The network's tensor; Hugging Face models give it as `logits` of their output."""
        given = self.net(*inputs, **options)
        scores = getattr(given, "logits", given)
        if not isinstance(scores, torch.Tensor):
            message = f"the network gives a {type(given).__name__}, neither a tensor nor an output with `logits`"
            raise InputError(message, "wrap a module whose forward returns the logits")
        return scores
