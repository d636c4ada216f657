"""Cases of the operators of judging: resamples, drawn labels, and sums over class-wise bins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from workloads import BINS, Prepared, assert_close

from calibench import kernels

RESAMPLES = 96
"""A multiple of 16, so that no column is padding."""


def _counts(n: int) -> torch.Tensor:
    return kernels.resample_counts(n, 0, RESAMPLES, 1)


def _resampled(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    n = len(labels)

    def check(counts: Any) -> None:
        assert counts.shape == (n, RESAMPLES)
        assert torch.equal(counts.sum(dim=0, dtype=torch.int64), torch.full((RESAMPLES,), n))

    return Prepared(lambda: _counts(n), check)


def _sums(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    counts, columns = _counts(len(labels)), probs[:, :3].t().contiguous()
    ends = torch.tensor([len(labels) // 2, len(labels)])

    def check(sums: Any) -> None:
        assert_close(sums[:, 1:].sum(dim=0), columns @ counts.double())

    return Prepared(lambda: kernels.resample_sums(counts, columns, ends), check)


def _group_sums(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    counts, values = _counts(len(labels)), probs[:, 0].contiguous()
    ends = (torch.arange(1, BINS + 1, dtype=torch.float64) * len(labels) / BINS).round()[:, None].repeat(1, RESAMPLES)

    def check(sums: Any) -> None:
        assert sums.shape == (BINS, RESAMPLES)
        assert_close(sums.sum(dim=0), values @ counts.double())

    return Prepared(lambda: kernels.resample_group_sums(counts, values, ends), check)


def _risks(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    counts, wrong = _counts(len(labels)), probs.argmax(dim=1) != labels
    places = probs.max(dim=1).values.argsort(descending=True).int()
    ends = torch.arange(1, len(labels) + 1)
    harmonic = torch.cat([torch.zeros(1), 1 / torch.arange(1.0, len(labels) + 1)]).double().cumsum(dim=0)
    ranked = wrong[places.long()]

    def check(risks: Any) -> None:
        assert_close(risks[1], wrong.double() @ counts.double())

    return Prepared(lambda: kernels.resample_risks(counts, ranked, ends, harmonic, places), check)


def _class_table(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    def check(table: Any) -> None:
        assert_close(table.moments[0].view(-1, BINS).sum(dim=1), probs.sum(dim=0))
        assert_close(table.moments[1].view(-1, BINS).sum(dim=1), (probs**2).sum(dim=0))
        assert len(table.p) == int((probs > 1 / BINS).sum())

    return Prepared(lambda: kernels.class_table(logits, BINS), check)


def _draws(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    cells = torch.zeros(len(labels), dtype=torch.int32)

    def check(drawn: Any) -> None:
        by_class = drawn.labels.view(probs.shape[1], BINS, -1).sum(dim=1).double()
        assert torch.equal(by_class.sum(dim=0), torch.full((RESAMPLES,), float(len(labels)), dtype=torch.float64))
        error = 6 * ((probs * (1 - probs)).sum(dim=0) / RESAMPLES).sqrt()
        assert bool(((by_class.mean(dim=1) - probs.sum(dim=0)).abs() < error).all())

    return Prepared(lambda: kernels.label_draws(logits, BINS, cells, 1, first=0, draws=RESAMPLES, seed=1), check)


def _class_sums(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    counts = _counts(len(labels))

    def check(sums: Any) -> None:
        assert_close(sums, probs.t() @ counts.double())

    return Prepared(lambda: kernels.resample_class_sums(counts, logits), check)


def _class_errors(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    counts, classes = _counts(len(labels)), probs.shape[1]
    none, ends = torch.empty(0, dtype=torch.int32), torch.zeros(classes, dtype=torch.int64)
    by_label, label_ends = labels.argsort(stable=True).int(), labels.bincount(minlength=classes).cumsum(dim=0)
    sums = kernels.resample_class_sums(counts, logits)

    def check(errors: Any) -> None:
        gaps = probs - torch.nn.functional.one_hot(labels, classes)
        assert_close(errors, (gaps.t() @ counts.double()).abs().sum(dim=0))

    gaps = torch.empty(0, dtype=torch.float64)
    return Prepared(lambda: kernels.resample_class_errors(counts, none, gaps, ends, by_label, label_ends, sums), check)


def _gap_sizes(logits: torch.Tensor, labels: torch.Tensor, probs: torch.Tensor) -> Prepared:
    drawn = _draws(logits, labels, probs).call().labels
    offset = torch.linspace(0, 9, len(drawn), dtype=torch.float64)
    factor = torch.linspace(1, 2, len(drawn), dtype=torch.float64)

    def check(sizes: Any) -> None:
        assert_close(sizes, (offset[:, None] - factor[:, None] * drawn.double()).abs().sum(dim=0))

    return Prepared(lambda: kernels.gap_sizes(drawn, offset, factor), check)


JUDGING: dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor], Prepared]] = {
    "resample_counts": _resampled,
    "resample_sums": _sums,
    "resample_group_sums": _group_sums,
    "resample_risks": _risks,
    "class_table": _class_table,
    "label_draws": _draws,
    "resample_class_sums": _class_sums,
    "resample_class_errors": _class_errors,
    "gap_sizes": _gap_sizes,
}
"""A maker of a case for each operator."""
