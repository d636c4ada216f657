"""Rows and layouts that are hard on a fast kernel, built so that a case which lost its point fails instead of passing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
import torch

CLASSES = [1, 2, 3, 10, 17, 100, 1000, 32_000]

LENGTHS = [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65]
"""Around the widths of a vector, of a pair of them and of a block of rows."""

LARGEST = {torch.float64: 1.7e308, torch.float32: 3.4e38, torch.bfloat16: 3.38e38, torch.float16: 65504.0}
SMALLEST = {torch.float64: 5e-324, torch.float32: 2.0**-149, torch.bfloat16: 2.0**-133, torch.float16: 2.0**-24}


def rows_for(classes: int) -> int:
    """Rows worth testing: odd, no multiple of a vector, few where rows are long."""
    return max(3, min(203, 8_000 // classes))


def draw(n: int, k: int, dtype: torch.dtype = torch.float64, scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Normal logits `[n, k]` and uniform labels, the same whenever they are asked for."""
    generator = torch.Generator().manual_seed(n * 1009 + k)
    x = torch.randn(n, k, generator=generator, dtype=torch.float64) * scale
    return x.to(dtype), torch.randint(0, k, (n,), generator=generator)


def judged(n: int, seed: int = 0, power: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Confidences and whether they were right: over-confident."""
    generator = torch.Generator().manual_seed(seed)
    confidence = torch.rand(n, generator=generator, dtype=torch.float64) ** (1 / power)
    return confidence, torch.rand(n, generator=generator, dtype=torch.float64) < confidence**1.5


def layouts(x: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """Views equal to `x` `[n, k]`, in memory whose every other number is NaN."""
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
def near(
    dtype: torch.dtype, targets: tuple[float, ...], k: int, top_only: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows `[n, k]`, k >= 2, in which a probability lies within 1.5e-6 of a target but not on it, on both sides; and labels.

    One entry is solved for the target and rounded to the type; of many such rows those are kept that came close, since a
    step of bfloat16 moves p by a thousandth. `top_only`: that probability is the largest of its row.
    """
    generator = np.random.default_rng(k)
    rest = generator.normal(size=max(k - 3, 0)) - 2
    rest = torch.from_numpy(rest).to(dtype).double().numpy()
    coarse = dtype in (torch.bfloat16, torch.float16)
    size = 40_000 if coarse else 300
    chosen = []
    for target in targets:
        others = generator.normal(size=(size, min(k - 1, 2))) * 1.5
        others = torch.from_numpy(others).to(dtype).double().numpy()
        mass = np.exp(others).sum(axis=1) + np.exp(rest).sum()
        aim = target if coarse else target + generator.choice([-1, 1], size) * 10 ** generator.uniform(-11, -5.8, size)
        solved = torch.from_numpy(np.log(mass * aim / (1 - aim))).to(dtype).double().numpy()
        p = np.exp(solved) / (np.exp(solved) + mass)
        kept = (np.abs(p - target) < 1.5e-6) & (np.abs(p - target) > 1e-13)
        if top_only:
            kept &= solved > np.maximum(others.max(axis=1), rest.max(initial=-np.inf))
        found = kept.nonzero()[0][: 40 if k < 100 else 10]
        x = np.broadcast_to(np.concatenate([np.zeros(k - len(rest)), rest]), (len(found), k)).copy()
        x[:, 0], x[:, 1 : 1 + others.shape[1]] = solved[found], others[found]
        assert (p[found] < target).any() == (p[found] > target).any()
        chosen.append(x)
    x = torch.from_numpy(np.concatenate(chosen)).to(dtype).roll(k // 3, dims=1)
    assert len(x) >= 9 * len(targets), (len(x), dtype, k)
    return x, torch.from_numpy(generator.integers(0, k, len(x)))


def steps(targets: Iterable[float], k: int, count: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows (0, ..., 0, x) `[n, k]` whose confidence steps over each target above 1/k, one float32 at a time: about 4e-9.

    All other classes are equal, so that what a fast exponential gets wrong does not average out. Rows within 1e-13 of a
    target are left out.
    """
    rows = []
    for target in targets:
        if target * k <= 1.05:
            continue
        root = torch.tensor(np.log(target / (1 - target) * (k - 1)), dtype=torch.float32)
        for direction in (-np.inf, np.inf):
            x = root
            for _ in range(count):
                confidence = 1 / (1 + (k - 1) * np.exp(-np.longdouble(float(x))))
                if abs(confidence - target) > 1e-13:
                    rows.append(x)
                x = torch.nextafter(x, torch.tensor(direction))
    x = torch.zeros(len(rows), k)
    x[:, k - 1] = torch.stack(rows)
    return x, torch.arange(len(rows)) % k


def badly_rounded(dtype: torch.dtype, low: float, high: float, seed: int = 0) -> tuple[float, float]:
    """Numbers a > b of the type, low < a - b < high, whose difference float32 (float64: float64) rounds most wrongly."""
    generator = np.random.default_rng(seed)
    a = generator.uniform(low, high, 20_000)
    b = generator.choice([-1.0, 1.0], 20_000) * 10 ** generator.uniform(-4, 1, 20_000)
    a, b = (torch.from_numpy(v).to(dtype).double().numpy().astype(np.longdouble) for v in (a, b))
    narrow = np.float64 if dtype == torch.float64 else np.float32
    wrong = np.abs((a - b).astype(narrow) - (a - b)) * ((a - b > low) & (a - b < high))
    i = wrong.argmax()
    assert wrong[i] > 0.4 * np.spacing(narrow(low))
    return float(a[i]), float(b[i])


def hard_rows(dtype: torch.dtype) -> dict[str, tuple[torch.Tensor, int]]:
    """One row `[1, K]` and its label each: what a float32 exponential, a float32 sum or a float32 maximum gets wrong."""
    cases: dict[str, tuple[list[float], int]] = {}
    for k, low, high in ((2, 32, 64), (11, 32, 64), (1000, 16, 32), (32_000, 32, 48), (10, 64, 80), (1000, 44, 60)):
        a, b = badly_rounded(dtype, low, high, k)  # alone, its NLL is its tail
        cases[f"saturated alone, {k} classes, {low}"] = ([b] * (k // 2) + [a] + [b] * (k - k // 2 - 1), k // 2)
    for gap in (86, 88, 100, 104, 150, 300, 690, 705):  # float32 exponentials end at 103
        cases[f"a tail of exp(-{gap})"] = ([0.0, -gap, -gap, -gap - 1], 0)
        cases[f"wrong by {gap}"] = ([-gap, 0.0, -gap / 2], 0)
    for k in (2, 17, 1000):
        cases[f"{k} equal"] = ([1.25] * k, k - 1)
    for k, gap in ((3, 45.5), (5, 49.0), (1000, 46.5)):  # exp(-gap) is a fair float32, its square is none
        cases[f"squares below float32, {k} classes"] = ([-gap] * (k - 1) + [0.0], k - 1)
    cases["32000 tiny equal terms"] = ([11.7] + [0.3] * 31_999, 0)
    cases["32000 terms that float32 loses"] = ([0.0] + [-18.0] * 31_999, 0)
    cases["32000 terms beside a large one"] = ([0.0, 0.0] + [-16.75] * 31_998, 1)
    largest = LARGEST[dtype]
    for far in (1e3, 3e4, 1e6):
        if far < largest:
            step = max(1.0, float(torch.finfo(dtype).eps) * far)
            for sign in (1, -1):
                cases[f"far from zero, {sign * far:g}"] = (
                    [sign * far + step * round(g / step) for g in (14, 0, 0, 2)],
                    0,
                )
    cases["largest"] = ([largest, -largest / 3, 0.0], 0)
    cases["largest, wrong"] = ([largest / 2, -largest / 2, 0.0], 1)
    cases["all largest"] = ([largest] * 40, 3)
    cases["all lowest"] = ([-largest] * 40, 3)
    cases["1e30" if largest > 1e30 else "6e4"] = ([min(1e30, 6e4 if largest < 1e30 else 1e30), 0.0, -1.0], 2)
    tiny = SMALLEST[dtype]
    cases["subnormal"] = ([0.0, tiny, -tiny, tiny], 1)
    cases["subnormal, wrong"] = ([0.0, -tiny, 3 * tiny, tiny], 3)
    cases["two first, saturated beside"] = ([7.0, 9.0, 9.0, -60.0], 2)
    cases["one class"] = ([3.5], 0)
    return {name: (torch.tensor([row], dtype=torch.float64).to(dtype), y) for name, (row, y) in cases.items()}
