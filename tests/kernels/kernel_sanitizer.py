"""`python kernel_sanitizer.py` calls every CUDA operator, for compute-sanitizer (`make cuda-test`)."""

from __future__ import annotations

import torch
from kernel_cases import draw
from kernel_cuda import calls

import calibench.kernels  # noqa: F401 - loads the operators

SHAPES = ((3000, 100), (501, 10), (67, 1500))
"""Lanes of a warp share a row of 100 or of 10 classes; the warps of a block take the two parts of a row of 1500."""


def main() -> None:
    """Waits for each call, so that a fault is reported beside the name of its operator."""
    for n, k in SHAPES:
        for dtype in (torch.float32, torch.bfloat16, torch.float64):
            x, y = (tensor.cuda() for tensor in draw(n, k, dtype))
            for name, call in calls(n, k):
                call(x, y)
                torch.cuda.synchronize()
                print(n, k, dtype, name, flush=True)


if __name__ == "__main__":
    main()
