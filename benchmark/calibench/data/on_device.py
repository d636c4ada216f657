"""The splits as tensors where networks are trained."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from calibench.data.prepare import Data


class OnDevice:
    """`x(split)` and `y(split)` of the data on a device; on a CPU they share the arrays' memory."""

    def __init__(self, data: Data, device: torch.device) -> None:
        self.data, self.device = data, device

    def x(self, split: str) -> torch.Tensor:
        """Rows `[n, ...]` float32."""
        x: NDArray[np.float32] = getattr(self.data, split).x
        return torch.from_numpy(x).to(self.device)

    def y(self, split: str) -> torch.Tensor:
        """Class indices `[n]`, or answers `[n, Q]` of several labels a row, int64."""
        y: NDArray[np.int64] = getattr(self.data, split).y
        return torch.from_numpy(y).to(self.device)
