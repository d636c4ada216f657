"""BatchStream: the batches of an evaluation, streamed through a `CalibrationAccumulator`, for the callbacks of training tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from calibench.errors import InputError
from calibench.kernels import CalibrationAccumulator

IGNORED = -100
"""Rows with this label do not count, as in torch's cross-entropy."""


class Scores(NamedTuple):
    """The scores of a batch, with their kind."""

    values: torch.Tensor
    from_probs: bool


class BatchStream:
    """Sums over the batches of one evaluation, in O(bins) memory, in one process or several."""

    def __init__(self, bins: int = 15) -> None:
        self.bins = CalibrationAccumulator(bins).bins
        self.accumulator: CalibrationAccumulator | None = None

    def add(self, scores: Scores, labels: torch.Tensor) -> None:
        """Add a batch of scores `[N, K]` and labels `[N]`. InputError for other shapes, and naming the first bad row."""
        values = scores.values.detach()
        if values.ndim != 2 or labels.shape != values.shape[:1]:
            shapes = f"scores {list(values.shape)} and labels {list(labels.shape)}"
            raise InputError(f"{shapes}: a batch is [N, K] and [N]", "give read=, a function that returns such a pair")
        labels = labels.to(values.device)
        kept = labels != IGNORED
        if self.accumulator is None:
            self.accumulator = CalibrationAccumulator(self.bins, from_probs=scores.from_probs, device=values.device)
        if self.accumulator.from_probs != scores.from_probs:
            raise InputError("some batches hold logits and some probabilities", "return one kind")
        self.accumulator.update(values[kept].contiguous(), labels[kept].long())

    def figures(self) -> dict[str, float]:
        """`ece15` (by the number of bins), `brier`, `nll` and `accuracy` of all batches and processes, and forget them.

        Empty if no process has seen a row. Every process must call it where torch.distributed runs.
        """
        accumulator = CalibrationAccumulator(self.bins) if self.accumulator is None else self.accumulator
        self.accumulator = None
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            accumulator.all_reduce()
        stats = accumulator.compute()
        n = float(stats.n)
        if not n:
            return {}
        gaps = (stats.confidence_sum - stats.correct_sum).abs().sum()
        sums = {f"ece{self.bins}": gaps, "brier": stats.brier_sum, "nll": stats.nll_sum, "accuracy": stats.correct}
        return {name: float(value) / n for name, value in sums.items()}


def scores_in(outputs: Any) -> Scores | None:
    """The entry `logits` or `probs` of what a step or a network returned; None if there is none."""
    for name in ("logits", "probs"):
        value = outputs.get(name) if isinstance(outputs, Mapping) else getattr(outputs, name, None)
        if isinstance(value, torch.Tensor):
            return Scores(value, name == "probs")
    return None


def labels_in(*places: Any) -> torch.Tensor | None:
    """The entry `labels`, `label`, `target` or `y` of the first mapping that has one."""
    for place in places:
        for name in ("labels", "label", "target", "y"):
            value = place.get(name) if isinstance(place, Mapping) else None
            if isinstance(value, torch.Tensor):
                return value
    return None


def as_scores(pair: Any) -> tuple[Scores, torch.Tensor]:
    """What the user's `read` returned: logits and labels. InputError for anything else."""
    if isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(part, torch.Tensor) for part in pair):
        return Scores(pair[0], False), pair[1]
    raise InputError(f"read returned a {type(pair).__name__}", "return the pair (logits [N, K], labels [N])")
