"""The definition of `calibration_stats` and `calibration_update`."""

from __future__ import annotations

import math

import torch

from calibench.kernels import state as running
from calibench.kernels.reference.rows import Tensors, bin_of, blocks, exact_sum, one_thread, softmax

PROBABILITY_FLOOR = 1e-12
"""From probabilities the NLL is -log(max(p_y, 1e-12))."""


def calibration_stats(
    caller: str, scores: torch.Tensor, labels: torch.Tensor, bins: int, from_probs: bool
) -> tuple[Tensors, Tensors]:
    """The fields of `CalibrationStats` and of `CalibrationSamples`, for inputs that have passed `check_inputs`.

    Raises an InputError that names the lowest bad row, in the words of the fused kernel.
    """
    state = running.zero(bins, scores.device)
    samples = calibration_update(caller, state, scores, labels, bins, from_probs)
    return running.read(state), samples


def calibration_update(
    caller: str, state: torch.Tensor, scores: torch.Tensor, labels: torch.Tensor, bins: int, from_probs: bool
) -> Tensors:
    """Adds rows to `state` in chunks of `chunk_rows`, in place, and returns their samples.

    InputError for a bad row, before `state` is changed.
    """
    with one_thread():
        parts = [_rows(x, y, from_probs) for _, x, y in blocks(caller, scores, labels, from_probs)]
        samples = tuple(torch.cat(column) for column in zip(*parts, strict=True))
        confidence, _, prediction, nll, brier = samples
        columns = (confidence, prediction == labels.long(), bin_of(confidence, bins), nll, brier)
        chunk = running.chunk_rows(scores.shape[1], bins)
        for start in range(0, len(confidence), chunk):
            running.add(state, _chunk(bins, *(column[start : start + chunk] for column in columns)))
        return samples


def _chunk(
    bins: int,
    confidence: torch.Tensor,
    hit: torch.Tensor,
    bin_index: torch.Tensor,
    nll: torch.Tensor,
    brier: torch.Tensor,
) -> torch.Tensor:
    """The state of a few rows: each sum correctly rounded, and as its carry the rest that rounding dropped."""
    count = torch.bincount(bin_index, minlength=bins)
    part = running.zero(bins, confidence.device)
    part[:bins, 0] = count.double()
    part[:bins, 1] = torch.bincount(bin_index[hit], minlength=bins).double()
    part[bins, 0] = len(hit)
    part[bins + 1, 0] = hit.sum()
    filled = count.nonzero()[:, 0]
    groups = torch.split(confidence[torch.argsort(bin_index, stable=True)], count[filled].tolist())
    sums = [_pair(group) for group in (*groups, nll, brier)]
    part[torch.cat([filled, filled.new_tensor([bins, bins + 1])]), 2:] = part.new_tensor(sums)
    return part


def _pair(values: torch.Tensor) -> tuple[float, float]:
    """The correctly rounded sum, and the rest."""
    numbers = values.tolist()
    total = exact_sum(numbers)
    return total, exact_sum([*numbers, -total]) if math.isfinite(total) else 0.0


def _rows(x: torch.Tensor, labels: torch.Tensor, from_probs: bool) -> Tensors:
    """Confidence, tail, prediction, NLL and Brier `[N]` of good scores `[N, K]`."""
    truth = x.gather(1, labels[:, None])[:, 0]
    if from_probs:
        top, prediction = x.max(dim=1)
        without_top = x.scatter(1, prediction[:, None], 0.0)
        tail = torch.where(top > 0, without_top.sum(dim=1) / top, math.inf)
        square_sum = x.scatter(1, labels[:, None], 0.0).square().sum(dim=1)
        return top, tail, prediction, -truth.clamp_min(PROBABILITY_FLOOR).log(), (1 - truth).square() + square_sum
    e, prediction, tail = softmax(x)
    margin = x.gather(1, prediction[:, None])[:, 0] - truth
    confidence = 1 / (1 + tail)
    # 1 - p_y without cancellation where the label is the argmax.
    miss = torch.where(prediction == labels, tail * confidence, 1 - (-margin).exp() * confidence)
    square_sum = e.scatter(1, labels[:, None], 0.0).square().sum(dim=1) * confidence.square()
    return confidence, tail, prediction, tail.log1p() + margin, miss.square() + square_sum
