"""Toy data for tests of plugins: small, learnable, and the same on every call with one seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench.data.arrays import Arrays, Pair
from calibench.lazy import np, torch
from calibench.outputs.outputs import Outputs

if TYPE_CHECKING:
    from calibench.metrics.judged import Judged

SIDE = 8
"""Rows are images of 8 x 8 values."""


def toy_arrays(rows: int = 300, classes: int = 3, seed: int = 0) -> Arrays:
    """Images `[N, 8, 8]` of `classes` noisy patterns in four splits: half of the `rows` are train, a sixth each of the others."""
    generator = np.random.default_rng(seed)
    patterns = generator.normal(size=(classes, SIDE, SIDE))

    def split(n: int) -> Pair:
        y = generator.permutation(np.arange(n) % classes)
        x = patterns[y] + 4 * generator.normal(size=(n, SIDE, SIDE))
        return x.astype(np.float32), y.astype(np.int64)

    x, y = split(rows // 2)
    return Arrays(x=x, y=y, val=split(rows // 6), cal=split(rows // 6), test=split(rows // 6))


def toy_outputs(rows: int = 200, classes: int = 3, seed: int = 0) -> tuple[Outputs, torch.Tensor]:
    """Over-confident logits `[N, K]` in float64, and labels `[N]` drawn from the softmax of half of them."""
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    labels = torch.multinomial((logits / 2).softmax(dim=1), 1, generator=generator)[:, 0]
    labels[:classes] = torch.arange(classes)
    return Outputs(logits), labels


def toy_judged(rows: int = 200, classes: int = 3, seed: int = 0) -> Judged:
    """The `Judged` of `toy_outputs`, as a metric sees it."""
    from calibench.metrics.judged import Judged

    outputs, labels = toy_outputs(rows, classes, seed)
    return Judged(outputs, labels.numpy())
