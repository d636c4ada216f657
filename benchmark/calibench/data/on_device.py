"""The splits as tensors on the device where networks are trained."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from calibench.data.prepare import Data


class OnDevice:
    """`x(split)` and `y(split)` of the data on a device; on a CPU they share memory with the arrays."""

    def __init__(self, data: Data, device: torch.device) -> None:
        self.data, self.device = data, device

    def x(self, split: str) -> torch.Tensor:
        """Rows `[n, ...]` float32."""
        x: NDArray[np.float32] = getattr(self.data, split).x
        return torch.from_numpy(x).to(self.device)

    def y(self, split: str) -> torch.Tensor:
        """Class indices `[n]`, or `[n, Q]` of 0 and 1 for Q labels a row, int64."""
        y: NDArray[np.int64] = getattr(self.data, split).y
        return torch.from_numpy(y).to(self.device)
