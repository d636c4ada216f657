"""Inputs of the operators of judging, and results of all of them, whose bits no thread and no instruction set may change."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from kernel_doors import as_tensors, through

from calibench import kernels

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
CLASSES = (1, 2, 3, 10, 63, 64, 65, 130, 1000)
BINS = (1, 2, 15)
NEARLY_SURE = 1 - 1e-12


UNIT = 2.0**-30
"""Columns of int32 are multiples of this."""


def columns_of(items: int, count: int, generator: np.random.Generator) -> list[torch.Tensor]:
    """Columns of every type in turn."""
    numbers = torch.from_numpy(generator.normal(size=(count, items)) / 4).clamp(-1.9, 1.9)
    types = (
        lambda x: x.clone(),
        lambda x: x.float(),
        lambda x: (x / UNIT).round().int(),
        lambda x: x > 0,
    )
    return [types[c % 4](numbers[c]) for c in range(count)]


def numbers_of(columns: list[torch.Tensor], items: int) -> torch.Tensor:
    """What columns stand for, float64 [C, L]."""
    numbers = [c.double() * UNIT if c.dtype == torch.int32 else c.double() for c in columns]
    return torch.stack(numbers) if numbers else torch.empty((0, items), dtype=torch.float64)


def ranges(n: int, items: int, columns: int, count: int, seed: int) -> dict[str, Any]:
    """Random columns, places, ranges and errors."""
    generator = np.random.default_rng(seed)
    ends = np.sort(generator.integers(items + 1, size=count))
    ends[-1:] = items
    return {
        "columns": columns_of(items, columns, generator),
        "places": torch.from_numpy(generator.integers(n, size=items).astype(np.int32)),
        "ends": torch.from_numpy(ends),
        "wrong": torch.from_numpy(generator.random(items) < 0.3),
    }


def logits(n: int, k: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> torch.Tensor:
    """Rows that one class leads; then equal, saturated and tied ones, if n allows."""
    generator = torch.Generator().manual_seed(1000 * n + k + seed)
    x = 2 * torch.randn(n, k, generator=generator, dtype=torch.float64)
    x[torch.arange(n), torch.randint(k, (n,), generator=generator)] += 4
    x[1:2] = 0
    x[2:3, k // 2] = 1e4
    x[3:4, 0] = -1e4
    x[4:5] = (torch.arange(k) % 3).double()
    return x.to(dtype)


def probabilities(n: int, k: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> torch.Tensor:
    """Rows with a sum of 1, before they are rounded to `dtype`; then equal and exact ones, on edges and next to 1."""
    p = (logits(n, k, seed=seed) / 2).softmax(dim=1)
    p[1:2] = 1 / k
    p[2:3] = torch.eye(k, dtype=torch.float64)[k - 1]
    for row, high in enumerate((NEARLY_SURE, 0.5, 2 / 15, 14 / 15), 3):
        p[row : row + 1] = 0
        p[row : row + 1, k // 2] = 1 - high if k > 1 else 1
        p[row : row + 1, 0] = high if k > 1 else 1
    return p.to(dtype)


def rows(n: int, k: int, dtype: torch.dtype, from_probs: bool, seed: int = 0) -> torch.Tensor:
    """Scores of one kind."""
    return (probabilities if from_probs else logits)(n, k, dtype, seed)


def layouts(scores: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same numbers with other strides."""
    n, k = scores.shape
    wide, tall = scores.new_full((n, 2 * k + 3), 7.0), scores.new_full((2 * n, k), 7.0)
    wide[:, 1 : 2 * k : 2], tall[::2] = scores, scores
    return {"columns": scores.t().contiguous().t(), "every second": wide[:, 1 : 2 * k : 2], "rows apart": tall[::2]}


def cells_of(n: int, cells: int, seed: int = 0) -> torch.Tensor:
    """A cell for each of n items."""
    return torch.from_numpy(np.random.default_rng(seed).integers(cells, size=n).astype(np.int32))


def factors_of(k: int, bins: int, seed: int = 0) -> torch.Tensor:
    """A factor for each cell, [K M]."""
    return torch.from_numpy(np.random.default_rng(seed).uniform(0.02, 3, size=k * bins))


def sorted_entries(table: kernels.ClassTable, labels: torch.Tensor, bins: int, classes: int) -> dict[str, torch.Tensor]:
    """Entries cell by cell, as `resample_class_errors` takes them."""
    order = table.cell.argsort(stable=True)
    y = labels[table.row.long()] == table.cell // bins
    return {
        "entries": table.row[order],
        "gaps": ((table.p - y.double())[order] / UNIT).round().int(),
        "cell_ends": torch.bincount(table.cell.long(), minlength=classes * bins).cumsum(0),
    }


def results(door: str = "torch") -> list[torch.Tensor]:
    """What each operator of judging makes of the same inputs, which go through the door of torch or of numpy."""
    counts = as_tensors(kernels.resample_counts(5000, 0, 40, 0, numpy=door == "numpy"))
    given, run = ranges(5000, 9000, 6, 50, 0), partial(through, door)
    ends = torch.arange(1, 16, dtype=torch.float64)[:, None].expand(15, counts.shape[1]) * 600
    found = [
        counts,
        run(kernels.resample_sums, counts, given["columns"], given["ends"], given["places"]),
        run(kernels.resample_risks, counts, given["wrong"], given["ends"], given["places"]),
        run(kernels.resample_group_sums, counts, given["columns"][:3], ends.contiguous(), given["places"]),
    ]
    for k, dtype, from_probs in ((10, torch.float32, False), (130, torch.float64, False), (130, torch.float32, True)):
        found += _of_rows(run, rows(1501, k, dtype, from_probs), from_probs, counts)
    return found


def _of_rows(run: Any, scores: torch.Tensor, from_probs: bool, counts: torch.Tensor) -> list[torch.Tensor]:
    n, k = scores.shape
    factors, cells = factors_of(k, 15), cells_of(n, 9)
    draw: dict[str, Any] = {"first": 3, "draws": 24, "seed": 5, "from_probs": from_probs}
    table = run(kernels.class_table, scores, 15, from_probs=from_probs)
    drawn = run(kernels.label_draws, scores, 15, cells, 9, **draw)
    labels = torch.arange(n) % k
    gaps = run(kernels.resample_class_gaps, counts, scores, labels, from_probs=from_probs)
    entries = sorted_entries(table, labels, 15, k)
    return [
        *table,
        *drawn,
        gaps,
        *run(kernels.class_table, scores, 15, from_probs=from_probs, factors=factors),
        *run(kernels.label_draws, scores, 15, cells, 9, factors=factors, **draw),
        run(kernels.resample_class_errors, counts, totals=gaps, **entries),
        run(kernels.gap_sizes, drawn.labels, table.moments[0], factors),
    ]
