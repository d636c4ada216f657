"""The bootstrap distribution of ECE15: B resamples of N samples with replacement."""

from __future__ import annotations

import math
from functools import partial

import torch

from calibench import kernels
from calibench.bench.case import OURS, Contender, Op, Shape
from calibench.bench.inputs import confidences

BINS = 15
TIMED = 50
"""Resamples of a timed call of the other contenders: each resample takes the same time, so times are scaled to B."""

WARM = (1024, TIMED)


def ours(confidence: torch.Tensor, correct: torch.Tensor, resamples: int) -> dict[str, float]:
    """All resamples in the fused kernel; one ECE per resample from its sums."""
    sums = kernels.bootstrap_bins(confidence, correct, BINS, resamples=resamples, seed=0)
    return summary((sums.confidence_sum - sums.correct_sum).abs().sum(1) / len(confidence))


def summary(eces: torch.Tensor) -> dict[str, float]:
    """Mean and standard deviation over the resamples, and the 95 % percentile interval."""
    values = eces.double()
    low, high = torch.quantile(values, torch.tensor([0.025, 0.975], dtype=torch.float64, device=values.device)).tolist()
    return {"mean": float(values.mean()), "sd": float(values.std()), "low": low, "high": high}


def torchmetrics(confidence: torch.Tensor, correct: torch.Tensor, resamples: int) -> dict[str, float]:
    """numpy draws the rows, torchmetrics computes each ECE from them."""
    import numpy as np
    from torchmetrics.functional.classification import binary_calibration_error

    generator, n = np.random.default_rng(0), len(confidence)
    values, hits = confidence.float().cpu().numpy(), correct.int().cpu().numpy()
    eces = []
    for _ in range(resamples):
        rows = generator.integers(0, n, n)
        sample = torch.from_numpy(values[rows]), torch.from_numpy(hits[rows])
        eces.append(binary_calibration_error(*sample, n_bins=BINS, norm="l1", validate_args=False))
    return summary(torch.stack(eces))


def numpy(confidence: torch.Tensor, correct: torch.Tensor, resamples: int) -> dict[str, float]:
    """numpy throughout, with samples binned once: a resample is a draw and a bincount."""
    import numpy as np

    generator, n = np.random.default_rng(0), len(confidence)
    values = confidence.double().cpu().numpy()
    bins = np.clip(np.ceil(values * BINS).astype(np.int64) - 1, 0, BINS - 1)
    gaps = values - correct.cpu().numpy()
    eces = np.empty(resamples)
    for b in range(resamples):
        rows = generator.integers(0, n, n)
        eces[b] = np.abs(np.bincount(bins[rows], gaps[rows], minlength=BINS)).sum() / n
    return summary(torch.from_numpy(eces))


def eager(confidence: torch.Tensor, correct: torch.Tensor, resamples: int) -> dict[str, float]:
    """torch throughout, with samples binned once."""
    n, values = len(confidence), confidence.double()
    generator = torch.Generator(confidence.device).manual_seed(0)
    bins = (values * BINS).ceil().long().sub(1).clamp(0, BINS - 1)
    gaps = values - correct.double()
    eces = []
    for _ in range(resamples):
        rows = torch.randint(n, (n,), generator=generator, device=values.device)
        eces.append(torch.bincount(bins[rows], gaps[rows], minlength=BINS).abs().sum() / n)
    return summary(torch.stack(eces))


def _contenders(shape: Shape) -> tuple[Contender, ...]:
    resamples = shape[1]
    timed = min(TIMED, resamples)
    note = f"{timed} resamples timed, scaled to {resamples}"
    part = partial(Contender, warm=WARM, scale=resamples / timed)
    return (
        Contender(OURS, partial(ours, resamples=resamples), note=f"all {resamples} resamples"),
        part("numpy + torchmetrics", partial(torchmetrics, resamples=timed), peer=True, note=f"ECE anew each; {note}"),
        part("numpy, binned once", partial(numpy, resamples=timed), note=note),
        part("torch eager, binned once", partial(eager, resamples=timed), note=note),
    )


def _tolerance(shape: Shape) -> dict[str, float]:
    """Five standard errors of a mean and of an SD over the timed resamples, because random numbers differ.

    An ECE is a mean of N gaps of at most 1, so its SD is at most .5 / sqrt(N).
    """
    sd, resamples = 0.5 / math.sqrt(max(shape[0], 1)), min(TIMED, shape[1])
    return {"mean": 5 * sd / math.sqrt(resamples), "sd": 5 * sd / math.sqrt(2 * resamples)}


OP = Op(
    name="bootstrap_bins",
    answers="mean, SD and 95 % interval of ECE15 over B resamples; a shape is N samples x B resamples",
    shapes=((50_000, 1000),),
    dtypes=(torch.float64,),
    inputs=confidences,
    contenders=_contenders,
    tolerance=_tolerance,
    headline="mean",
)
