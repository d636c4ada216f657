"""`python kernel_probe.py FOLDER ISA...` writes the results of every kernel on the same inputs under each instruction set.

The extension reads CALIBENCH_ISA when it is loaded. So this process imports torch once and forks for each instruction
set; each fork loads the extension.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from kernel_cases import draw, hard_rows, layouts, rows_near
from kernel_definitions import TYPES

Case = tuple[str, torch.Tensor, torch.Tensor]


def inputs() -> Iterator[Case]:
    """Cases of every type for each loop of a vectorised kernel: short and long rows, remainders, strides."""
    for dtype in TYPES:
        for n, k in ((67, 1), (67, 2), (131, 3), (67, 10), (35, 17), (19, 100), (5, 1000), (1, 4099)):
            yield f"{dtype} {n} x {k}", *draw(n, k, dtype)
        x, y = draw(37, 12, dtype)
        for name, view in layouts(x):
            yield f"{dtype} {name}", view, y
        yield f"{dtype} near an edge", *rows_near(dtype, (0.4, 0.6, 0.8), 10)
        yield from hard_cases(dtype)


def hard_cases(dtype: torch.dtype) -> Iterator[Case]:
    """The short hard rows, those with the same number of classes in one case."""
    short = [(row, label) for row, label in hard_rows(dtype).values() if row.shape[1] <= 40]
    for k in sorted({row.shape[1] for row, _ in short}):
        rows, labels = zip(*[(row, label) for row, label in short if row.shape[1] == k], strict=True)
        yield f"{dtype} hard, {k}", torch.cat(rows), torch.tensor(labels)


def record(path: Path, cases: list[Case]) -> None:
    """Writes the backend, its instruction set, and the fields of every result."""
    from kernel_ops import ALL_OPS  # loads the extension

    from calibench import kernels

    results: dict[str, list[npt.NDArray[np.generic]]] = {}
    for case, x, y in cases:
        for op, call in ALL_OPS.items():
            results[f"{op}, {case}"] = [field.numpy() for field in call(x, y)]
    x, y = draw(999, 2)
    bins = kernels.bootstrap_bins(x.softmax(dim=1).amax(dim=1), y.bool(), resamples=9)
    results["bootstrap_bins"] = [field.numpy() for field in bins]
    document = (kernels.backend(), kernels.extension_status().instruction_set, results)
    path.write_bytes(pickle.dumps(document))


def main(folder: str, *instruction_sets: str) -> None:
    """Runs a process for each instruction set, on the same inputs."""
    cases = list(inputs())
    children = []
    for name in instruction_sets:
        children.append(os.fork())
        if children[-1] == 0:
            os.environ["CALIBENCH_ISA"] = name
            record(Path(folder, name), cases)
            os._exit(0)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
