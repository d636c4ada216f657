"""`adafocal`: focal loss whose gammas follow the calibration of the validation split (Ghosh et al., NeurIPS 2022)."""

from __future__ import annotations

import math
from typing import Any

from calibench import InputError, MethodSpec, Objective, Param
from calibench.lazy import torch
from calibench.stages import Batch, TrainTask
from calibench_methods.objectives.focal import positive_complement
from calibench_methods.objectives.log_probability import label_log_probs

INITIAL_GAMMA = 1.0

GAMMA_BOUND = "bound of a gamma (the paper: -2 and 20)"

SPEC = MethodSpec(
    name="adafocal",
    kind="objective",
    target=f"{__name__}:AdaFocal",
    summary="Focal loss whose gammas follow, bin by bin, the calibration of the validation split.",
    params=(
        Param("bins", "int", 15, "equal-mass bins of the validation split (the paper: 15)", minimum=1),
        Param("step_size", "float", 1.0, "how fast the gammas move, lambda (the paper: 1)", minimum=0),
        Param("gamma_min", "float", -2.0, GAMMA_BOUND, maximum=0),
        Param("gamma_max", "float", 20.0, GAMMA_BOUND, minimum=0),
        Param(
            "switch", "float", 0.2, "absolute value of gamma below which its sign changes (the paper: 0.2)", minimum=0
        ),
    ),
    equation=(
        "loss = -(1 - p_y)^g log p_y if g >= 0, else -(1 + p_y)^|g| log p_y, g = gamma of the bin that holds p_y; after "
        "an epoch gamma <- gamma exp(+-step_size (confidence - accuracy)) of the bin on val, + where gamma >= 0"
    ),
    use_when="labels are clean, the network is over-confident, and val has enough rows for 15 bins",
    avoid_when="val is small or labels are wrong: the gammas follow val, and at 30 % wrong labels ECE15 stays at 12 to 20 %",
    cost="as ce, and a sort of the confidences on val after each epoch",
    paper="A. Ghosh, T. Schaaf, M. Gormley, AdaFocal: Calibration-aware Adaptive Focal Loss, NeurIPS 2022 (arXiv 2211.11838)",
    deviations=(
        "all gammas start at 1 and apply from the first epoch on; until the first validation there is one bin",
    ),
)


class AdaFocal(Objective):
    """`-(1 - p_y)^gamma log p_y` where gamma >= 0 and `-(1 + p_y)^|gamma| log p_y` where gamma < 0, mean over the batch.

    gamma belongs to the bin that holds p_y. After each epoch the validation split is grouped anew into equal-mass bins by
    confidence, and each gamma is multiplied by `exp(step E)`, E = confidence - accuracy of the bin (by `exp(-step E)` if it
    is negative). So a positive gamma grows where the bin is over-confident (E > 0), and a negative one where it is
    under-confident. A gamma whose absolute value falls below `switch` changes its sign.
    """

    learned = ("gammas", "edges")
    splits = True  # gammas and edges change only between epochs, by the whole validation split

    def __init__(self, bins: int, step_size: float, gamma_min: float, gamma_max: float, switch: float) -> None:
        if switch > min(gamma_max, -gamma_min):
            message = f"adafocal: switch={switch:g} lies outside gamma_min={gamma_min:g} .. gamma_max={gamma_max:g}"
            raise InputError(message, "lower switch or widen the bounds")
        self.bins = bins
        self.step_size = step_size
        self.bounds = gamma_min, gamma_max
        self.switch = switch

    def prepare(self, task: TrainTask) -> None:
        """Start with a single bin, which lasts until the first validation."""
        device = task.labels.device
        self.gammas = torch.full((self.bins,), min(INITIAL_GAMMA, self.bounds[1]), dtype=torch.float64, device=device)
        self.edges = torch.empty(0, dtype=torch.float64, device=device)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        log_p = label_log_probs(logits, batch.y)
        gamma = self.gammas[torch.bucketize(log_p.detach().double().exp(), self.edges, right=True)].to(log_p)
        base = torch.where(gamma >= 0, positive_complement(log_p), 1 + log_p.exp())
        return -(base ** gamma.abs() * log_p).mean()

    def end_epoch(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Group the validation split into new bins and update every gamma."""
        confidence, predicted = logits.double().softmax(dim=1).max(dim=1)
        order = confidence.argsort(stable=True)
        bins = order.tensor_split(min(self.bins, len(order)))
        self.edges = torch.stack([confidence[rows[0]] for rows in bins[1:]]) if bins[1:] else self.edges[:0]
        for number, rows in enumerate(bins):
            gap = float((confidence[rows] - (predicted[rows] == labels[rows]).double()).mean())
            self.gammas[number] = self.updated(float(self.gammas[number]), gap)

    def updated(self, gamma: float, gap: float) -> float:
        """The next gamma of a bin whose validation confidence exceeds its accuracy by `gap`."""
        low, high = self.bounds
        if gamma >= 0:
            gamma = min(high, gamma * math.exp(self.step_size * gap))
            return gamma if gamma >= self.switch else -self.switch
        gamma = max(low, gamma * math.exp(-self.step_size * gap))
        return gamma if -gamma >= self.switch else self.switch

    def figures(self) -> dict[str, Any]:
        """`gammas` of the bins after the last epoch, from the least confident bin up."""
        return {"gammas": self.gammas.tolist()}
