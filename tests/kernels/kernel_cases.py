"""Rows and layouts that a fast kernel gets wrong easily. Assertions make sure that each case still is a hard one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
import torch

CLASSES = [1, 2, 3, 10, 17, 100, 1000, 32_000]

LENGTHS = [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65]
"""Numbers of rows around the widths of a vector, of two vectors and of a block of rows."""

LARGEST = {torch.float64: 1.7e308, torch.float32: 3.4e38, torch.bfloat16: 3.38e38, torch.float16: 65504.0}
SMALLEST = {torch.float64: 5e-324, torch.float32: 2.0**-149, torch.bfloat16: 2.0**-133, torch.float16: 2.0**-24}


def rows_for(classes: int) -> int:
    """Number of rows to test: odd, no multiple of a vector, few if rows are long."""
    return max(3, min(203, 8_000 // classes))


def draw(
    n: int, k: int, dtype: torch.dtype = torch.float64, scale: float = 3.0, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Normal logits `[n, k]` and uniform labels, the same at every call."""
    generator = torch.Generator().manual_seed(n * 1009 + k + 10**6 * seed)
    x = torch.randn(n, k, generator=generator, dtype=torch.float64) * scale
    return x.to(dtype), torch.randint(0, k, (n,), generator=generator)


def confident(n: int, k: int, sharpness: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are `sharpness` times as large as those of a calibrated model."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, k, generator=generator, dtype=torch.float64) * 2
    y = torch.multinomial(x.softmax(dim=1), 1, generator=generator)[:, 0]
    return x * sharpness, y


def overconfident(n: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Confidences `[n]` that are too high, and for each whether the prediction was right."""
    generator = torch.Generator().manual_seed(seed)
    confidence = torch.rand(n, generator=generator, dtype=torch.float64) ** (1 / 2.0)
    return confidence, torch.rand(n, generator=generator, dtype=torch.float64) < confidence**1.5


def layouts(x: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """Views equal to `x` `[n, k]`, with NaN in the memory between and around its numbers."""
    n, k = x.shape
    yield "transposed", x.t().contiguous().t()
    wide = x.new_full((2 * n, 3 * k + 2), float("nan"))
    wide[::2, 1 : 3 * k + 1 : 3] = x
    yield "sliced", wide[::2, 1 : 3 * k + 1 : 3]
    padded = x.new_full((n, k + 3), float("nan"))
    padded[:, 1 : k + 1] = x
    yield "padded", padded[:, 1 : k + 1]
    flat = x.new_full((n * k + 1,), float("nan"))
    flat[1:] = x.flatten()
    yield "unaligned", flat[1:].view(n, k)
    tall = x.new_full((k + 1, n + 5), float("nan"))
    tall[1:, 3 : n + 3] = x.t()
    yield "sliced columns", tall[1:, 3 : n + 3].t()


@cache
def rows_near(
    dtype: torch.dtype, targets: tuple[float, ...], k: int, top_only: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows `[n, k]`, k >= 2, with a probability within 1.5e-6 of a target but not on it, on both sides; and labels.

    One entry is solved for the target and rounded to the type. A step of bfloat16 moves p by a thousandth, so many rows
    are tried and the near ones kept. `top_only`: that probability is the largest of its row.
    """
    generator = np.random.default_rng(k)
    common = _rounded(generator.normal(size=max(k - 3, 0)) - 2, dtype)  # the same in all rows
    blocks = []
    for target in targets:
        tries = 40_000 if dtype in (torch.bfloat16, torch.float16) else 300
        varying = _rounded(generator.normal(size=(tries, min(k - 1, 2))) * 1.5, dtype)
        mass = np.exp(varying).sum(axis=1) + np.exp(common).sum()
        aim = _aims(target, dtype, tries, generator)
        solved = _rounded(np.log(mass * aim / (1 - aim)), dtype)
        p = np.exp(solved) / (np.exp(solved) + mass)
        near = (np.abs(p - target) < 1.5e-6) & (np.abs(p - target) > 1e-13)
        if top_only:
            near &= solved > np.maximum(varying.max(axis=1), common.max(initial=-np.inf))
        rows = near.nonzero()[0][: 40 if k < 100 else 10]
        x = np.broadcast_to(np.concatenate([np.zeros(k - len(common)), common]), (len(rows), k)).copy()
        x[:, 0], x[:, 1 : 1 + varying.shape[1]] = solved[rows], varying[rows]
        assert (p[rows] < target).any() == (p[rows] > target).any()
        blocks.append(x)
    scores = torch.from_numpy(np.concatenate(blocks)).to(dtype).roll(k // 3, dims=1)
    assert len(scores) >= 9 * len(targets), (len(scores), dtype, k)
    return scores, torch.from_numpy(generator.integers(0, k, len(scores)))


def _rounded(values: npt.NDArray[np.float64], dtype: torch.dtype) -> npt.NDArray[np.float64]:
    """The values as the type stores them."""
    return torch.from_numpy(values).to(dtype).double().numpy()


def _aims(
    target: float, dtype: torch.dtype, count: int, generator: np.random.Generator
) -> float | npt.NDArray[np.float64]:
    """Probabilities on both sides of the target; the target itself for 16-bit types, whose rounding scatters it."""
    if dtype in (torch.bfloat16, torch.float16):
        return target
    return target + generator.choice([-1, 1], count) * 10 ** generator.uniform(-11, -5.8, count)


def rows_stepping_over(targets: Iterable[float], k: int, count: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows (0, ..., 0, x) `[n, k]` whose confidence steps over each target above 1/k, one float32 at a time: about 4e-9.

    All other classes are equal, so that the errors of a fast exponential do not average out. Rows within 1e-13 of a
    target are left out.
    """
    scores = []
    for target in targets:
        if target * k <= 1.05:
            continue
        root = torch.tensor(np.log(target / (1 - target) * (k - 1)), dtype=torch.float32)
        for direction in (-np.inf, np.inf):
            x = root
            for _ in range(count):
                confidence = 1 / (1 + (k - 1) * np.exp(-np.longdouble(float(x))))
                if abs(confidence - target) > 1e-13:
                    scores.append(x)
                x = torch.nextafter(x, torch.tensor(direction))
    rows = torch.zeros(len(scores), k)
    rows[:, k - 1] = torch.stack(scores)
    return rows, torch.arange(len(rows)) % k


def badly_rounded(dtype: torch.dtype, low: float, high: float, seed: int = 0) -> tuple[float, float]:
    """Numbers a > b of the type, low < a - b < high, with the largest rounding error of a - b in float32 (or float64)."""
    generator = np.random.default_rng(seed)
    a = generator.uniform(low, high, 20_000)
    b = generator.choice([-1.0, 1.0], 20_000) * 10 ** generator.uniform(-4, 1, 20_000)
    a, b = (_rounded(values, dtype).astype(np.longdouble) for values in (a, b))
    narrow = np.float64 if dtype == torch.float64 else np.float32
    error = np.abs((a - b).astype(narrow) - (a - b)) * ((a - b > low) & (a - b < high))
    i = error.argmax()
    assert error[i] > 0.4 * np.spacing(narrow(low))
    return float(a[i]), float(b[i])


Row = tuple[list[float], int]
"""The scores of a row, and its label."""


def hard_rows(dtype: torch.dtype) -> dict[str, tuple[torch.Tensor, int]]:
    """Rows `[1, K]` with their labels that a float32 exponential, a float32 sum or a float32 maximum gets wrong."""
    rows = _saturated(dtype) | _small_terms() | _far_from_zero(dtype) | _extremes(dtype)
    rows |= {f"{k} equal": ([1.25] * k, k - 1) for k in (2, 17, 1000)}
    rows["two first, saturated beside"] = ([7.0, 9.0, 9.0, -60.0], 2)
    rows["one class"] = ([3.5], 0)
    return {name: (torch.tensor([row], dtype=torch.float64).to(dtype), label) for name, (row, label) in rows.items()}


def _saturated(dtype: torch.dtype) -> dict[str, Row]:
    """Rows whose NLL is their tail."""
    rows: dict[str, Row] = {}
    for k, low, high in ((2, 32, 64), (11, 32, 64), (1000, 16, 32), (32_000, 32, 48), (10, 64, 80), (1000, 44, 60)):
        a, b = badly_rounded(dtype, low, high, k)
        rows[f"saturated alone, {k} classes, {low}"] = ([b] * (k // 2) + [a] + [b] * (k - k // 2 - 1), k // 2)
    return rows


def _small_terms() -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for gap in (86, 88, 100, 104, 150, 300, 690, 705):  # float32 exponentials end at 103
        rows[f"a tail of exp(-{gap})"] = ([0.0, -gap, -gap, -gap - 1], 0)
        rows[f"wrong by {gap}"] = ([-gap, 0.0, -gap / 2], 0)
    for k, gap in ((3, 45.5), (5, 49.0), (1000, 46.5)):  # float32 holds exp(-gap), but not its square
        rows[f"squares below float32, {k} classes"] = ([-gap] * (k - 1) + [0.0], k - 1)
    rows["32000 tiny equal terms"] = ([11.7] + [0.3] * 31_999, 0)
    rows["32000 terms that float32 loses"] = ([0.0] + [-18.0] * 31_999, 0)
    rows["32000 terms beside a large one"] = ([0.0, 0.0] + [-16.75] * 31_998, 1)
    return rows


def _far_from_zero(dtype: torch.dtype) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for far in (1e3, 3e4, 1e6):
        if far < LARGEST[dtype]:
            step = max(1.0, float(torch.finfo(dtype).eps) * far)
            gaps = [step * round(gap / step) for gap in (14, 0, 0, 2)]
            for base in (far, -far):
                rows[f"far from zero, {base:g}"] = ([base + gap for gap in gaps], 0)
    return rows


def _extremes(dtype: torch.dtype) -> dict[str, Row]:
    """The largest and the smallest numbers of the type."""
    largest, tiny = LARGEST[dtype], SMALLEST[dtype]
    big = 1e30 if largest > 1e30 else 6e4
    return {
        "largest": ([largest, -largest / 3, 0.0], 0),
        "largest, wrong": ([largest / 2, -largest / 2, 0.0], 1),
        "all largest": ([largest] * 40, 3),
        "all lowest": ([-largest] * 40, 3),
        f"{big:g}": ([big, 0.0, -1.0], 2),
        "subnormal": ([0.0, tiny, -tiny, tiny], 1),
        "subnormal, wrong": ([0.0, -tiny, 3 * tiny, tiny], 3),
    }
