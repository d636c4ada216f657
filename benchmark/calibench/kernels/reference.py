"""The float64 definition of every kernel in plain torch operations: what the fused kernels are tested against.

It runs on one thread, because torch splits a long row over threads and then adds it up in another order, and it takes
its final sums with `math.fsum`, which rounds once: so its result does not depend on the number of threads either.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from calibench.kernels.checks import PROBABILITY_CEILING, raise_row_error

PROBABILITY_FLOOR = 1e-12
"""From probabilities the NLL is -log(max(p_y, 1e-12))."""

BLOCK = 1 << 22
"""Scores held in float64 at a time: 32 MiB, a handful of times over."""

Tensors = tuple[torch.Tensor, ...]


def calibration_stats(
    where: str, scores: torch.Tensor, labels: torch.Tensor, bins: int, from_probs: bool
) -> tuple[Tensors, Tensors]:
    """The fields of `CalibrationStats` and of `CalibrationSamples`, of inputs that `check_inputs` has passed.

    Raises InputError naming the lowest bad row, in the words of the fused kernel.
    """
    rows, classes = scores.shape
    step = max(1, BLOCK // classes)
    with _one_thread(), torch.no_grad():
        parts = [
            _rows(where, scores[start : start + step], labels[start : start + step].long(), from_probs, start)
            for start in range(0, max(rows, 1), step)
        ]
        samples = tuple(torch.cat(column) for column in zip(*parts, strict=True))
        confidence, _, prediction, nll, brier = samples
        correct = prediction == labels.long()
        bin_of = _bin_of(confidence, bins)
        count = torch.bincount(bin_of, minlength=bins).double()
        hits = torch.bincount(bin_of[correct], minlength=bins).double()
        order = torch.argsort(bin_of, stable=True)
        groups = torch.split(confidence[order], count.long().tolist())
        totals = [_sum(nll), _sum(brier), float(correct.sum()), float(rows)]
        sums = confidence.new_tensor([_sum(group) for group in groups])
        return (count, sums, hits, *confidence.new_tensor(totals)), samples


def _rows(where: str, scores: torch.Tensor, labels: torch.Tensor, from_probs: bool, start: int) -> Tensors:
    """Confidence, tail, prediction, NLL and Brier `[N]` of scores `[N, K]`; `start` is the first row's number."""
    x = scores.detach().double()
    _refuse(where, x, labels, from_probs, start)
    top, prediction = x.max(dim=1)
    truth = x.gather(1, labels[:, None])[:, 0]
    hit = prediction == labels
    if from_probs:
        rest = x.scatter(1, prediction[:, None], 0.0)
        tail = torch.where(top > 0, rest.sum(dim=1) / top, math.inf)
        miss = (1 - truth).square()
        others = x.scatter(1, labels[:, None], 0.0).square().sum(dim=1)
        return top, tail, prediction, -truth.clamp_min(PROBABILITY_FLOOR).log(), miss + others
    margin = top - truth
    e = (x - top[:, None]).exp()
    tail = e.scatter(1, prediction[:, None], 0.0).sum(dim=1)
    confidence = 1 / (1 + tail)
    # 1 - p_y without cancellation where the label is the argmax.
    miss = torch.where(hit, tail * confidence, 1 - (-margin).exp() * confidence)
    others = e.scatter(1, labels[:, None], 0.0).square().sum(dim=1) * confidence.square()
    return confidence, tail, prediction, tail.log1p() + margin, miss.square() + others


def _refuse(where: str, x: torch.Tensor, labels: torch.Tensor, from_probs: bool, start: int) -> None:
    classes = x.shape[1]
    infinite = ~x.isfinite().all(dim=1)
    outside = (labels < 0) | (labels >= classes)
    improper = ((x < 0) | (x > PROBABILITY_CEILING)).any(dim=1) if from_probs else torch.zeros_like(infinite)
    bad = (infinite | outside | improper).nonzero()
    if not len(bad):
        return
    i = int(bad[0])
    if infinite[i]:
        raise_row_error(where, f"row {start + i}: a score is NaN or infinite")
    if outside[i]:
        raise_row_error(where, f"row {start + i}: the label is {int(labels[i])}, outside [0, {classes})")
    raise_row_error(where, f"row {start + i}: a probability lies outside [0, 1]")


def _bin_of(confidence: torch.Tensor, bins: int) -> torch.Tensor:
    """The bin `[N]` of each confidence: (k/M, (k+1)/M] with float64 edges, 0 in the first, 1.0 in the last."""
    edges = torch.arange(1, bins, dtype=torch.float64, device=confidence.device) / bins
    return torch.searchsorted(edges, confidence, right=False)


def _sum(values: torch.Tensor) -> float:
    """The correctly rounded sum; infinite where it overflows."""
    try:
        return math.fsum(values.tolist())
    except OverflowError:
        return math.inf


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
