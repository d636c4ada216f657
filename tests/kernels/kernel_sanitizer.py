"""`python kernel_sanitizer.py` calls every CUDA operator, for compute-sanitizer (`make cuda-test`)."""

from __future__ import annotations

from typing import Any

import torch
from kernel_cases import draw
from kernel_cuda import OPS, calls, moved
from kernel_judging import cells_of, factors_of, ranges, sorted_entries
from kernel_refusals import GOOD

from calibench import kernels

SHAPES = ((3000, 100), (501, 10), (67, 1500))
"""Lanes of a warp share a row of 100 or of 10 classes; the warps of a block take the two parts of a row of 1500."""


def judging(scores: torch.Tensor, labels: torch.Tensor) -> dict[str, dict[str, Any]]:
    """Arguments of every operator of judging, on the CPU, with more than one tile and a warp that is not full."""
    n, k = scores.shape
    counts, given = kernels.resample_counts(n, 0, 40, 0), ranges(n, n, 5, 20, 0)
    table = kernels.class_table(scores, 15)
    drawn = kernels.label_draws(scores, 15, cells_of(n, 9), 9, first=0, draws=40, seed=0)
    rows = {"scores": scores, "factors": factors_of(k, 15)}
    entries = {"totals": kernels.resample_class_gaps(counts, scores, labels), **sorted_entries(table, labels, 15, k)}
    groups = torch.arange(1.0, 16, dtype=torch.float64)[:, None].expand(15, counts.shape[1]) * n / 15
    sums = {"counts": counts, "places": given["places"]}
    changed: dict[str, dict[str, Any]] = {
        "resample_counts": {"samples": n, "resamples": 40},
        "resample_sums": {"columns": given["columns"], "ends": given["ends"], **sums},
        "resample_risks": {"wrong": given["wrong"], "ends": given["ends"], **sums},
        "resample_group_sums": {"columns": given["columns"], "ends": groups.contiguous(), **sums},
        "resample_class_errors": {"counts": counts, **entries},
        "resample_class_gaps": {"scores": scores, "labels": labels, **sums},
        "class_table": rows,
        "label_draws": {"cells": cells_of(n, 9), "num_cells": 9, "draws": 40, **rows},
        "gap_sizes": {"labels": drawn.labels, "offset": table.moments[0], "factor": rows["factors"]},
    }
    return {op: {**GOOD[op], **changed[op]} for op in GOOD}


def main() -> None:
    """Waits for each call, so that a fault is reported beside the name of its operator."""
    for n, k in SHAPES:
        for dtype in (torch.float32, torch.bfloat16, torch.float64):
            x, y = (tensor.cuda() for tensor in draw(n, k, dtype))
            for name, call in calls(n, k):
                call(x, y)
                torch.cuda.synchronize()
                print(n, k, dtype, name, flush=True)
            for op, arguments in judging(x.cpu(), y.cpu()).items():
                getattr(OPS, op)(**{name: moved(value) for name, value in arguments.items()})
                torch.cuda.synchronize()
                print(n, k, dtype, op, flush=True)


if __name__ == "__main__":
    main()
