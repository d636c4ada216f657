"""Good arguments of each operator of judging, and changes of them that it refuses, with the message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from kernel_judging import cells_of, logits

from calibench import kernels

DOUBLES = torch.empty(0, dtype=torch.float64)
INTS = torch.empty(0, dtype=torch.int32)
GOOD: dict[str, dict[str, Any]] = {
    "class_table": {
        "scores": logits(9, 3),
        "from_probs": False,
        "bins": 15,
        "factors": DOUBLES,
        "rows": INTS,
        "list": True,
    },
    "label_draws": {
        "scores": logits(9, 3),
        "from_probs": False,
        "bins": 15,
        "factors": DOUBLES,
        "rows": INTS,
        "cells": cells_of(9, 4),
        "num_cells": 4,
        "first": 0,
        "draws": 8,
        "seed": 0,
    },
    "resample_class_gaps": {
        "counts": torch.ones((9, 16), dtype=torch.uint8),
        "places": INTS,
        "scores": logits(9, 3),
        "labels": torch.arange(9) % 3,
        "from_probs": False,
    },
    "resample_class_errors": {
        "counts": torch.ones((9, 16), dtype=torch.uint8),
        "entries": torch.tensor([0, 8]).int(),
        "gaps": torch.ones(2, dtype=torch.int32),
        "cell_ends": torch.tensor([0, 1, 1, 2]),
        "totals": torch.ones((2, 16), dtype=torch.float64),
    },
    "resample_counts": {"like": INTS, "samples": 9, "first": 0, "resamples": 3, "seed": 0},
    "resample_sums": {
        "counts": torch.ones((9, 16), dtype=torch.uint8),
        "places": INTS,
        "columns": [torch.ones(9, dtype=torch.float64), torch.ones(9, dtype=torch.bool)],
        "ends": torch.tensor([4, 9]),
    },
    "resample_risks": {
        "counts": torch.ones((9, 16), dtype=torch.uint8),
        "places": INTS,
        "wrong": torch.ones(9, dtype=torch.bool),
        "ends": torch.tensor([4, 9]),
    },
    "resample_group_sums": {
        "counts": torch.ones((9, 16), dtype=torch.uint8),
        "places": INTS,
        "columns": [torch.ones(9), torch.ones(9).int()],
        "ends": torch.ones((2, 16), dtype=torch.float64),
    },
    "gap_sizes": {
        "labels": torch.ones((5, 8), dtype=torch.int32),
        "offset": torch.ones(5, dtype=torch.float64),
        "factor": torch.ones(5, dtype=torch.float64),
    },
}
SCORES = [
    ({"scores": torch.zeros(9, dtype=torch.float64)}, "scores have 1 dimensions, not 2"),
    ({"scores": torch.zeros((9, 0))}, "scores have no classes"),
    ({"scores": torch.zeros((9, 3), dtype=torch.int64)}, "scores have type .*, not float64"),
]
BINS = [
    ({"bins": 0}, "bins is 0, not in"),
    ({"bins": (1 << 24) + 1}, "bins is 16777217, not in"),
    ({"scores": torch.zeros(1).expand(9, 1 << 20), "bins": 1 << 11}, r"2\^31 rows, or K M cells, or more"),
    ({"scores": torch.zeros(1).expand(9, 1 << 40), "bins": 1 << 24}, r"2\^31 rows, or K M cells, or more"),
    ({"scores": torch.zeros(1).expand(1 << 31, 1)}, r"2\^31 rows, or K M cells, or more"),
]
CHOICES = [
    ({"factors": torch.ones(44, dtype=torch.float64)}, r"factors are not contiguous float64 \[K M\]"),
    ({"factors": torch.ones(45)}, r"factors are not contiguous float64 \[K M\]"),
    ({"factors": torch.ones(90, dtype=torch.float64)[::2]}, r"factors are not contiguous float64 \[K M\]"),
    ({"rows": torch.tensor([0, 9]).int()}, r"rows are not all in \[0, 9\)"),
    ({"rows": torch.tensor([-1, 0]).int()}, r"rows are not all in \[0, 9\)"),
    ({"rows": torch.tensor([0, 1])}, r"rows are not contiguous int32 \[2\]"),
    ({"rows": torch.tensor([[0, 1]]).int()}, r"rows are not contiguous int32 \[2\]"),
    ({"scores": torch.zeros((0, 3)), "rows": torch.tensor([0]).int()}, r"rows are not all in \[0, 0\)"),
]
COUNTS = [
    ({"counts": torch.ones((9, 16))}, r"counts are not contiguous uint8 \[n, P\]"),
    ({"counts": torch.ones(144, dtype=torch.uint8)}, r"counts are not contiguous uint8 \[n, P\]"),
    ({"counts": torch.ones((9, 24), dtype=torch.uint8)}, r"counts are not contiguous uint8 \[n, P\]"),
    ({"counts": torch.ones((9, 32), dtype=torch.uint8)[:, ::2]}, r"counts are not contiguous uint8 \[n, P\]"),
]
PLACES = [
    ({"counts": torch.ones((8, 16), dtype=torch.uint8)}, r"places have the wrong length: \[9\] expected"),
    ({"places": torch.arange(8).int()}, r"places have the wrong length: \[9\] expected"),
    ({"places": torch.arange(9)}, r"places are not contiguous int32 \[L\]"),
    ({"places": torch.arange(9)[:, None].int()}, r"places are not contiguous int32 \[L\]"),
    ({"places": torch.arange(18).int()[::2]}, r"places are not contiguous int32 \[L\]"),
    ({"places": torch.arange(9).int() + 1}, "places are not rows of the counts"),
    ({"places": torch.arange(9).int() - 1}, "places are not rows of the counts"),
]
ENDS = [
    ({"ends": torch.tensor([4, 10])}, "ends do not rise from 0 to the number of items"),
    ({"ends": torch.tensor([5, 4])}, "ends do not rise from 0 to the number of items"),
    ({"ends": torch.tensor([-1, 4])}, "ends do not rise from 0 to the number of items"),
    ({"ends": torch.tensor([4, 9]).int()}, r"ends are not contiguous int64 \[S\]"),
    ({"ends": torch.tensor([4, 4, 9, 9])[::2]}, r"ends are not contiguous int64 \[S\]"),
    ({"ends": torch.tensor([[4, 9]])}, r"ends are not contiguous int64 \[S\]"),
]
COLUMNS = [
    ({"columns": [torch.ones(9), torch.ones(9).half()]}, "columns have type Half, not float64, float32, int32 or bool"),
    ({"columns": [torch.ones((9, 1))]}, r"columns are not contiguous \[L\], L = 9"),
    ({"columns": [torch.ones(9), torch.ones(8)]}, r"columns are not contiguous \[L\], L = 9"),
    ({"columns": [torch.ones(18)[::2]]}, r"columns are not contiguous \[L\], L = 9"),
]
FIRST = [
    ({"first": -1}, r"first is -1, not in \[0, 2\^62\]"),
    ({"first": (1 << 63) - 1}, r"first is 9223372036854775807, not in \[0, 2\^62\]"),
]
BAD: dict[str, list[tuple[dict[str, Any], str]]] = {
    "class_table": [*SCORES, *BINS, *CHOICES],
    "label_draws": [
        *SCORES,
        *BINS,
        *CHOICES,
        *FIRST,
        ({"draws": -1}, r"draws is -1, not in \[0, 2\^31\)"),
        ({"draws": (1 << 63) - 1}, r"draws is 9223372036854775807, not in \[0, 2\^31\)"),
        ({"num_cells": 0}, r"the number of cells is 0, not in \[1, 2\^31\)"),
        ({"num_cells": 1 << 31}, r"the number of cells is 2147483648, not in \[1, 2\^31\)"),
        ({"num_cells": 3, "cells": torch.full((9,), 3).int()}, r"cells are not all in \[0, 3\)"),
        ({"cells": torch.full((9,), -1).int()}, r"cells are not all in \[0, 4\)"),
        ({"cells": INTS}, r"cells have the wrong length: \[9\] expected"),
        ({"cells": cells_of(10, 4)}, r"cells have the wrong length: \[9\] expected"),
        ({"cells": cells_of(9, 4).long()}, r"cells are not contiguous int32 \[9\]"),
        ({"cells": cells_of(9, 4)[:, None]}, r"cells are not contiguous int32 \[9\]"),
        ({"rows": torch.arange(3).int()}, r"cells have the wrong length: \[3\] expected"),
    ],
    "resample_class_gaps": [
        *SCORES,
        *COUNTS,
        ({"counts": torch.ones((8, 16), dtype=torch.uint8)}, "places are missing"),
        ({"places": torch.arange(8).int()}, r"places have the wrong length: \[9\] expected"),
        ({"places": torch.arange(9)}, r"places are not contiguous int32 \[9\]"),
        ({"places": torch.arange(9).int() + 1}, r"places are not all in \[0, 9\)"),
        ({"places": torch.arange(9).int() - 1}, r"places are not all in \[0, 9\)"),
        ({"labels": torch.arange(9)}, r"labels are not all in \[0, 3\)"),
        ({"labels": torch.arange(9) % 3 - 1}, r"labels are not all in \[0, 3\)"),
        ({"labels": torch.zeros(8).long()}, "9 rows of scores and 8 labels"),
        ({"labels": torch.zeros((9, 1)).long()}, "labels have 2 dimensions, not 1"),
        ({"labels": torch.zeros(9)}, "labels have type Float, not int64"),
    ],
    "resample_class_errors": [
        *COUNTS,
        ({"gaps": torch.ones(3, dtype=torch.int32)}, r"gaps are not contiguous int32 \[E\]"),
        ({"gaps": torch.ones(2)}, r"gaps are not contiguous int32 \[E\]"),
        ({"entries": torch.tensor([0, 9]).int()}, "places are not rows of the counts"),
        ({"entries": torch.tensor([-1, 0]).int()}, "places are not rows of the counts"),
        ({"cell_ends": torch.tensor([0, 1, 1, 3])}, "ends do not rise from 0 to the number of items"),
        ({"cell_ends": torch.tensor([0, 1, 2])}, r"cell_ends are not \[K, M\]"),
        ({"cell_ends": torch.tensor([1])[:0]}, r"cell_ends are not \[K, M\]"),
        ({"totals": torch.ones((3, 16), dtype=torch.float64)}, r"cell_ends are not \[K, M\]"),
        ({"totals": torch.ones((0, 16), dtype=torch.float64)}, r"totals are not contiguous float64 \[K, P\]"),
        ({"totals": torch.ones((2, 32), dtype=torch.float64)}, r"totals are not contiguous float64 \[K, P\]"),
        ({"totals": torch.ones((2, 16))}, r"totals are not contiguous float64 \[K, P\]"),
        ({"totals": torch.ones((16, 2), dtype=torch.float64).t()}, r"totals are not contiguous float64 \[K, P\]"),
    ],
    "resample_counts": [
        *FIRST,
        ({"samples": -1}, r"samples is -1, not in \[0, 2\^31\)"),
        ({"samples": 1 << 31}, r"samples is 2147483648, not in \[0, 2\^31\)"),
        ({"resamples": -1}, r"resamples is -1, not in \[0, 2\^31\)"),
        ({"resamples": (1 << 63) - 1}, r"resamples is 9223372036854775807, not in \[0, 2\^31\)"),
    ],
    "resample_sums": [
        *COUNTS,
        *PLACES,
        *ENDS,
        *COLUMNS,
    ],
    "resample_risks": [
        *COUNTS,
        *PLACES,
        *ENDS,
        ({"wrong": torch.ones(9)}, r"wrong is not contiguous bool \[L\]"),
        ({"wrong": torch.ones(18, dtype=torch.bool)[::2]}, r"wrong is not contiguous bool \[L\]"),
    ],
    "resample_group_sums": [
        *COUNTS,
        *PLACES,
        *COLUMNS,
        ({"columns": []}, "there are no columns"),
        ({"ends": torch.ones((0, 16), dtype=torch.float64)}, r"ends are not contiguous float64 \[M, P\]"),
        ({"ends": torch.ones((2, 32), dtype=torch.float64)}, r"ends are not contiguous float64 \[M, P\]"),
        ({"ends": torch.ones((2, 16))}, r"ends are not contiguous float64 \[M, P\]"),
    ],
    "gap_sizes": [
        ({"labels": torch.ones((5, 8))}, r"labels are not contiguous int32 \[C, P\], P a multiple of 8"),
        ({"labels": torch.ones((5, 9)).int()}, r"labels are not contiguous int32 \[C, P\], P a multiple of 8"),
        ({"labels": torch.ones((8, 5)).int().t()}, r"labels are not contiguous int32 \[C, P\], P a multiple of 8"),
        ({"offset": torch.ones(4, dtype=torch.float64)}, r"offset and factor are not contiguous float64 \[C\]"),
        ({"factor": torch.ones(6, dtype=torch.float64)}, r"offset and factor are not contiguous float64 \[C\]"),
        ({"factor": torch.ones(5)}, r"offset and factor are not contiguous float64 \[C\]"),
    ],
}
CASES = [(op, changed, message) for op, cases in BAD.items() for changed, message in cases]
TYPED: dict[str, Callable[..., Any]] = {
    "class_table": lambda **t: kernels.class_table(t["scores"], 15, factors=t["factors"], rows=t["rows"]),
    "label_draws": lambda **t: kernels.label_draws(
        t["scores"], 15, t["cells"], 4, first=0, draws=8, seed=0, factors=t["factors"], rows=t["rows"]
    ),
    "resample_class_gaps": lambda **t: kernels.resample_class_gaps(t["counts"], t["scores"], t["labels"], t["places"]),
    "resample_class_errors": kernels.resample_class_errors,
    "resample_sums": kernels.resample_sums,
    "resample_risks": kernels.resample_risks,
    "resample_group_sums": kernels.resample_group_sums,
    "gap_sizes": kernels.gap_sizes,
}
