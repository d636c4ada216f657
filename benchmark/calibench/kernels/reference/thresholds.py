"""The definitions of `softmax_threshold`, `softmax_threshold_sets` and `sigmoid_threshold`; thresholds `[1]` or `[K]`."""

from __future__ import annotations

import torch

from calibench.kernels.reference.rows import Tensors, blocks, one_thread, softmax

ABSTAIN = -1


def softmax_threshold(caller: str, logits: torch.Tensor, thresholds: torch.Tensor, strict: bool) -> Tensors:
    """Prediction `[N]` (-1 where no class passes) and its probability (the largest one where none passes)."""
    decisions = []
    with one_thread():
        for _, x, _ in blocks(caller, logits, None):
            p, prediction = _probs(x)
            passing = _passing(p, thresholds, strict)
            # By score, which orders two classes even if their probabilities round to one number.
            best = torch.where(passing, x, -torch.inf).argmax(dim=1)
            any_passing = passing.any(dim=1)
            index = torch.where(any_passing, best, prediction)
            decisions.append((best.where(any_passing, ABSTAIN), p.gather(1, index[:, None])[:, 0]))
        return tuple(torch.cat(column) for column in zip(*decisions, strict=True))


def softmax_threshold_sets(caller: str, logits: torch.Tensor, thresholds: torch.Tensor, strict: bool) -> Tensors:
    """The sets of classes that pass `[N, K]`, and their sizes `[N]`."""
    with one_thread():
        parts = [_passing(_probs(x)[0], thresholds, strict) for _, x, _ in blocks(caller, logits, None)]
        return _sets(parts)


def sigmoid_threshold(caller: str, logits: torch.Tensor, thresholds: torch.Tensor, strict: bool) -> Tensors:
    """The sets of labels that pass `[N, K]`, each by its probability 1 / (1 + exp(-x)), and their sizes `[N]`."""
    with one_thread():
        parts = [_passing(1 / (1 + (-x).exp()), thresholds, strict) for _, x, _ in blocks(caller, logits, None)]
        return _sets(parts)


def _probs(x: torch.Tensor) -> Tensors:
    e, prediction, tail = softmax(x)
    return e / (1 + tail)[:, None], prediction


def _passing(p: torch.Tensor, thresholds: torch.Tensor, strict: bool) -> torch.Tensor:
    return p > thresholds if strict else p >= thresholds


def _sets(parts: list[torch.Tensor]) -> Tensors:
    sets = torch.cat(parts)
    return sets, sets.sum(dim=1)
