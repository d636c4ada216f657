"""The definitions of `softmax_threshold`, `softmax_threshold_sets` and `sigmoid_threshold`; thresholds `[1]` or `[K]`."""

from __future__ import annotations

import torch

from calibench.kernels.reference.rows import Tensors, blocks, one_thread, softmax

ABSTAIN = -1


def softmax_threshold(where: str, logits: torch.Tensor, thresholds: torch.Tensor, strict: bool) -> Tensors:
    """Prediction `[N]` (-1 where no class passes) and its probability, or the largest one where none passes."""
    answers = []
    with one_thread():
        for _, x, _ in blocks(where, logits, None):
            p, prediction = _probs(x)
            passing = _passing(p, thresholds, strict)
            # By score: two classes whose probabilities round to one number still have an order.
            answer = torch.where(passing, x, -torch.inf).argmax(dim=1)
            some = passing.any(dim=1)
            shown = torch.where(some, answer, prediction)
            answers.append((answer.where(some, ABSTAIN), p.gather(1, shown[:, None])[:, 0]))
        return tuple(torch.cat(column) for column in zip(*answers, strict=True))


def softmax_threshold_sets(where: str, logits: torch.Tensor, thresholds: torch.Tensor, strict: bool) -> Tensors:
    """Which classes pass `[N, K]`, and how many `[N]`."""
    with one_thread():
        parts = [_passing(_probs(x)[0], thresholds, strict) for _, x, _ in blocks(where, logits, None)]
        return _sets(parts)


def sigmoid_threshold(where: str, logits: torch.Tensor, thresholds: torch.Tensor, strict: bool) -> Tensors:
    """Which labels pass `[N, K]`, each by its own probability 1 / (1 + exp(-x)), and how many `[N]`."""
    with one_thread():
        parts = [_passing(1 / (1 + (-x).exp()), thresholds, strict) for _, x, _ in blocks(where, logits, None)]
        return _sets(parts)


def _probs(x: torch.Tensor) -> Tensors:
    e, prediction, tail = softmax(x)
    return e / (1 + tail)[:, None], prediction


def _passing(p: torch.Tensor, thresholds: torch.Tensor, strict: bool) -> torch.Tensor:
    return p > thresholds if strict else p >= thresholds


def _sets(parts: list[torch.Tensor]) -> Tensors:
    sets = torch.cat(parts)
    return sets, sets.sum(dim=1)
