"""Cases of the operators of judging, which `kernel_workloads.py` lists with the others."""

from __future__ import annotations

from typing import Any

import torch
from workloads import BINS, Prepared, assert_close

from calibench import kernels

LANES = 64
"""Resamples, or draws, of each call."""


def _counts(n: int) -> torch.Tensor:
    return kernels.resample_counts(n, 0, LANES, 1)


def _drawn(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    def check(counts: Any) -> None:
        assert counts.shape == (len(labels), LANES)
        assert bool((counts.sum(dim=0) == len(labels)).all())

    return Prepared(lambda: _counts(len(labels)), check)


def _sums(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    counts, columns = _counts(len(labels)), probs.max(dim=1).values[None] * torch.ones(3, 1)
    ends = torch.tensor([len(labels) // 3, len(labels)])

    def check(sums: Any) -> None:
        assert_close(sums.sum(dim=0)[1:], columns @ counts.double())
        assert bool((sums[:, 0].sum(dim=0) == len(labels)).all())

    return Prepared(lambda: kernels.resample_sums(counts, list(columns), ends), check)


def _risks(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    n, top = len(labels), probs.max(dim=1)
    order = top.values.argsort(descending=True)
    counts, wrong = _counts(n), (top.indices != labels)[order]

    def check(risks: Any) -> None:
        drawn = wrong.double().repeat_interleave(counts[order, 0].long())
        assert bool((risks[0] == n).all())
        assert bool((risks[1] == wrong.double() @ counts[order].double()).all())
        assert_close(risks[3, 0], drawn.cumsum(0).sum() - drawn.sum() / 2, relative=1e-3)

    ends, places = torch.arange(1, n + 1), order.int()
    return Prepared(lambda: kernels.resample_risks(counts, wrong, ends, places), check)


def _groups(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    n, (confidence, order) = len(labels), probs.max(dim=1).values.sort()
    counts, places = _counts(n), order.int()
    ends = (torch.arange(1, BINS + 1, dtype=torch.float64)[:, None] * n / BINS).floor().repeat(1, LANES)

    def check(sums: Any) -> None:
        assert_close(sums.sum(dim=0), confidence @ counts[order].double())
        assert bool((sums.diff(dim=0)[:-1] > 0).all())

    return Prepared(lambda: kernels.resample_group_sums(counts, [confidence], ends, places), check)


def _table(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    def check(table: Any) -> None:
        sums, squares = table.moments.reshape(2, probs.shape[1], BINS).sum(dim=2)
        assert_close(sums, probs.sum(dim=0))
        assert_close(squares, (probs**2).sum(dim=0))
        assert_close(table.p, probs[table.row.long(), table.cell.long() // BINS])

    return Prepared(lambda: kernels.class_table(logits, BINS), check)


def _labels(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    cells, top = labels.int(), probs.max(dim=1).values

    def check(drawn: Any) -> None:
        assert bool((drawn.labels.sum(dim=0) == len(labels)).all())
        deviation = (top * (1 - top)).sum().div(LANES).sqrt()
        assert abs(float(drawn.right.sum()) / LANES - float(top.sum())) < 5 * float(deviation)

    return Prepared(
        lambda: kernels.label_draws(logits, BINS, cells, probs.shape[1], first=0, draws=LANES, seed=1), check
    )


def _class_gaps(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    counts = _counts(len(labels))

    def check(sums: Any) -> None:
        right = torch.nn.functional.one_hot(labels, probs.shape[1]).double().T @ counts.double()
        assert_close(sums + right, probs.T @ counts.double())

    return Prepared(lambda: kernels.resample_class_gaps(counts, logits, labels), check)


def _class_errors(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    classes, counts, table = probs.shape[1], _counts(len(labels)), kernels.class_table(logits, BINS)
    order, totals = table.cell.argsort(stable=True), kernels.resample_class_gaps(counts, logits, labels)
    gaps = (table.p - (labels[table.row.long()] == table.cell // BINS).double())[order].mul(2**30).round().int()
    cell_ends = torch.bincount(table.cell.long(), minlength=classes * BINS).cumsum(0)
    entries = table.row[order]

    def check(errors: Any) -> None:
        gap = probs - torch.nn.functional.one_hot(labels, classes)
        index = torch.searchsorted(torch.arange(1, BINS, dtype=torch.float64) / BINS, probs)
        cells = [(gap * (index == m)).T @ counts.double() for m in range(BINS)]
        assert_close(errors, sum(cell.abs().sum(dim=0) for cell in cells), relative=1e-5)

    return Prepared(lambda: kernels.resample_class_errors(counts, entries, gaps, cell_ends, totals), check)


def _gap_sizes(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    expected = kernels.class_table(logits, BINS, listed=False).moments[0]
    cells = torch.zeros(len(labels), dtype=torch.int32)
    drawn = kernels.label_draws(logits, BINS, cells, 1, first=0, draws=LANES, seed=1).labels
    ones = torch.ones_like(expected)

    def check(sizes: Any) -> None:
        assert_close(sizes, (expected[:, None] - drawn).abs().sum(dim=0))

    return Prepared(lambda: kernels.gap_sizes(drawn, expected, ones), check)


OF_SCORES = {"class_table": _table, "label_draws": _labels, "resample_class_gaps": _class_gaps}
"""Cases that read the scores."""

OF_SAMPLES = {
    "resample_counts": _drawn,
    "resample_sums": _sums,
    "resample_risks": _risks,
    "resample_group_sums": _groups,
    "resample_class_errors": _class_errors,
    "gap_sizes": _gap_sizes,
}
"""Cases that do not."""
