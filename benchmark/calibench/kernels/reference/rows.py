"""Shared by the definitions: blocks of rows in float64, the check for bad rows, softmax, the bin rule, exact sums."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from calibench.kernels import checks

BLOCK = 1 << 22
"""Scores converted to float64 at a time: 32 MiB, and a few temporaries of the same size."""

Tensors = tuple[torch.Tensor, ...]


def blocks(
    caller: str, scores: torch.Tensor, labels: torch.Tensor | None, from_probs: bool = False, max_rows: int = BLOCK
) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
    """Rows of `scores` `[N, K]` in float64 with their labels in int64, in blocks of at most `max_rows` rows.

    Raises an InputError that names the lowest bad row, in the words of the fused kernels, at the block of that row.
    Yields one empty block if there are no rows.
    """
    rows, classes = scores.shape
    step = max(1, min(max_rows, BLOCK // classes))
    for start in range(0, max(rows, 1), step):
        part = slice(start, min(start + step, rows))
        x = scores[part].detach().double()
        y = torch.zeros(len(x), dtype=torch.int64, device=x.device) if labels is None else labels[part].long()
        _refuse_bad_rows(caller, x, y, from_probs, start)
        yield part, x, y


def _refuse_bad_rows(caller: str, x: torch.Tensor, labels: torch.Tensor, from_probs: bool, start: int) -> None:
    classes = x.shape[1]
    status = torch.zeros_like(labels)
    if from_probs:
        improper = ((x < 0) | (x > checks.PROBABILITY_CEILING)).any(dim=1)
        status[improper] = checks.PROBABILITY
    status[(labels < 0) | (labels >= classes)] = checks.LABEL
    status[~x.isfinite().all(dim=1)] = checks.NON_FINITE
    bad = status.nonzero()
    if len(bad):
        i = int(bad[0])
        checks.raise_row_error(caller, checks.row_sentence(start + i, int(status[i]), int(labels[i]), classes))


def softmax(x: torch.Tensor) -> Tensors:
    """Weights e_k = exp(x_k - max) `[N, K]`, the argmax (lowest index on ties) and the tail r `[N]`, so p = e / (1 + r)."""
    top, prediction = x.max(dim=1)
    e = (x - top[:, None]).exp()
    tail = e.scatter(1, prediction[:, None], 0.0).sum(dim=1)
    return e, prediction, tail


def bin_of(values: torch.Tensor, bins: int) -> torch.Tensor:
    """The bin of each value: (k/M, (k+1)/M] with float64 edges; 0 is in the first, 1.0 in the last."""
    edges = torch.arange(1, bins, dtype=torch.float64, device=values.device) / bins
    return torch.searchsorted(edges, values.contiguous(), right=False)


def exact_sum(values: list[float]) -> float:
    """The correctly rounded sum; infinite if it overflows."""
    try:
        return math.fsum(values)
    except OverflowError:
        return math.inf


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs the block with torch on one thread and without gradients."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(threads)
