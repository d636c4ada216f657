"""Resamples side by side: the counts of a block of bootstrap resamples, and weighted sums over them.

The counts of B resamples of n samples are bytes `[n, P]`, P = B rounded up to a multiple of 16; columns beyond B hold 0. All
results are the same bits for every number of threads and every instruction set: each resample adds up its items in order.
Counts are the same on CUDA, sums to 1e-12.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np

from calibench.errors import InputError
from calibench.kernels import checks, dispatch, loader
from calibench.kernels.arrays import Array, empty_like
from calibench.lazy import torch

if TYPE_CHECKING:
    import numpy.typing as npt


@overload
def resample_counts(
    samples: int,
    first: int,
    resamples: int,
    seed: int,
    *,
    numpy: Literal[False] = False,
    device: str | torch.device = "cpu",
) -> torch.Tensor: ...


@overload
def resample_counts(
    samples: int, first: int, resamples: int, seed: int, *, numpy: Literal[True]
) -> npt.NDArray[np.uint8]: ...


def resample_counts(
    samples: int,
    first: int,
    resamples: int,
    seed: int,
    *,
    numpy: bool = False,
    device: str | torch.device = "cpu",
) -> torch.Tensor | npt.NDArray[np.uint8]:
    """How often resample `first + b` of n draws with replacement has each of n samples, uint8 `[n, P]`, for b < B.

    The draws are those of `bootstrap_bins`: Philox4x32-10 with the key `seed` and a counter of resample and draw. The result is a
    tensor on `device`, or a numpy array.
    """
    if numpy and str(device) != "cpu":
        raise InputError(f"resample_counts: numpy arrays are not on {device}", "leave out numpy or device")
    like: Any = np.empty(0, dtype=np.uint8) if numpy else torch.empty(0, dtype=torch.uint8, device=device)
    if loader.fused(like, "resample_counts"):
        return cast(
            "torch.Tensor", dispatch.call("resample_counts", "resample_counts", like, samples, first, resamples, seed)
        )
    counts: torch.Tensor = dispatch.define("resample_counts", samples, first, resamples, seed)
    return counts.numpy() if numpy else counts.to(device)


def resample_sums(counts: Array, columns: Sequence[Array], ends: Array, places: Array | None = None) -> Array:
    """The count and the weighted sums of C columns `[L]` in S ranges of items, float64 `[S, 1 + C, P]`.

    A column is float64, float32, bool, or int32 in units of 2^-30. Range s holds the items from `ends[s - 1]` (0 at first) to
    `ends[s]`, int64 `[S]`. The weight of item l in a resample is row `places[l]` (int32 `[L]`) of `counts [n, P]`; row l without
    places.
    """
    checks.check_one_device("resample_sums", counts, *columns, ends, places)
    if not loader.fused(counts, "resample_sums"):
        return cast(Array, dispatch.define("resample_sums", counts, list(columns), ends, places))
    inputs = counts, _places(places, counts), list(columns), ends
    return cast(Array, dispatch.call("resample_sums", "resample_sums", *inputs))


def resample_risks(counts: Array, wrong: Array, ends: Array, places: Array | None = None) -> Array:
    """Samples, errors, and the sums over ranks of the selective and of the joint risk in each resample, float64 `[4, P]`.

    Items are in rank order, the surest first, in ties that end at `ends`; `wrong [L]` is True for an error. A tie of m samples
    with e errors, after a samples with E errors, adds `e + (E - a e / m) (H(a + m) - H(a))` to the selective risk, and
    `m E + e m / 2` to the joint risk, with harmonic numbers H to 4e-15. The rest as in `resample_sums`.
    """
    checks.check_one_device("resample_risks", counts, wrong, ends, places)
    if not loader.fused(counts, "resample_risks"):
        return cast(Array, dispatch.define("resample_risks", counts, wrong, ends, places))
    inputs = counts, _places(places, counts), wrong, ends
    return cast(Array, dispatch.call("resample_risks", "resample_risks", *inputs))


def resample_group_sums(counts: Array, columns: Sequence[Array], ends: Array, places: Array | None = None) -> Array:
    """The weighted sum over each of M groups of draws, float64 `[M, P]`, of the numbers that columns `[L]` add up to.

    Group m of a resample holds its draws up to number `ends[m]` (float64 `[M, P]`), the last one all others. A group may end within
    the draws of one item. The rest as in `resample_sums`.
    """
    checks.check_one_device("resample_group_sums", counts, *columns, ends, places)
    if not loader.fused(counts, "resample_group_sums"):
        return cast(Array, dispatch.define("resample_group_sums", counts, list(columns), ends, places))
    inputs = counts, _places(places, counts), list(columns), ends
    return cast(Array, dispatch.call("resample_group_sums", "resample_group_sums", *inputs))


def _places(places: Array | None, counts: Array) -> Array:
    return empty_like(counts, "int32") if places is None else places
