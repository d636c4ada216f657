"""Network: a body that computes features and a head that computes logits from them, the split that two-stage training needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from calibench.data.prepare import Data


@dataclass(frozen=True)
class Task:
    """The facts about the data from which a network is built: shapes, training rows, and a trained head if there is one.

    `num_classes` is the number of logits: one a class, or one a label if a row has several labels.
    """

    input_shape: tuple[int, ...]
    num_classes: int
    train_x: NDArray[np.float32]
    head_weight: NDArray[np.float32] | None = None
    head_bias: NDArray[np.float32] | None = None
    labels_per_sample: int = 1

    @property
    def input_size(self) -> int:
        """The number of values in one sample."""
        return math.prod(self.input_shape)

    @classmethod
    def of(cls, data: Data) -> Task:
        """The task for `data`."""
        return cls(
            data.train.x.shape[1:],
            data.num_outputs,
            data.train.x,
            data.head_weight,
            data.head_bias,
            data.labels_per_sample,
        )


class Network(nn.Module):
    """`logits = head(body(x))`, where `body(x)` are features `[N, feature_size]`; `pretrained` networks skip stage 1."""

    def __init__(self, body: nn.Module, head: nn.Module, feature_size: int, *, pretrained: bool = False) -> None:
        super().__init__()
        self.body = body
        self.head = head
        self.feature_size = feature_size
        self.pretrained = pretrained
        self.origin = ""
        """A text that identifies the network beyond the model's parameters: the version of its library, the digest of the
        weights that it starts from; for a network from Python, a digest of the whole network."""
        self.head_name = ""
        """The name of the head in a network from Python; "" if the whole network is its head."""
        self.autocast: torch.dtype | None = None
        """The type in which training passes compute, None for float32; only `calibench.training.compute` sets it."""
        self.compiled: Callable[[torch.Tensor], torch.Tensor] | None = None
        """The body compiled by torch.compile, for training passes; a function, so that no state dict contains it."""

    @property
    def has_body(self) -> bool:
        """False if the data are features already and the body only passes them on."""
        return any(True for _ in self.body.parameters())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits `[N, K]`, in float32 even if training computes them in a shorter type."""
        body = self.body if self.compiled is None or not self.training else self.compiled
        if self.autocast is None or not self.training:
            logits: torch.Tensor = self.head(body(x))
            return logits
        with torch.autocast(x.device.type, self.autocast):
            logits = self.head(body(x))
        return logits.float()


class Standardize(nn.Module):
    """`(x - mean) / sd` with training statistics, by feature of a vector or by channel of an image; 0 if sd is 0."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, train_x: NDArray[np.float32]) -> None:
        super().__init__()
        axes = (0, 1, 2) if train_x.ndim == 3 else (0, *range(2, train_x.ndim))  # [N, H, W] is one channel
        mean = train_x.mean(axis=axes, dtype=np.float64, keepdims=True)[0]
        sd = train_x.std(axis=axes, dtype=np.float64, keepdims=True)[0]
        scale = np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 1e-12)
        self.register_buffer("mean", torch.from_numpy(mean.astype(np.float32)))
        self.register_buffer("scale", torch.from_numpy(scale.astype(np.float32)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape; training rows get mean 0 and variance 1."""
        return (x - self.mean) * self.scale
