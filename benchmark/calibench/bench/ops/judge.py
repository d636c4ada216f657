"""A whole judgement of logits: every default metric with its interval, noise floor and details, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch

from calibench.bench.case import OURS, Contender, Figures, Op, Shape
from calibench.bench.inputs import trained_network
from calibench.bench.ops import calibration_stats
from calibench.bench.ops.calibration_stats import BINS

if TYPE_CHECKING:
    from calibench.evaluation.judge import Judgement

RESAMPLES = 1000
"""Of the bootstrap: the default of calibench, and the number of the other contenders' intervals."""

TORCHMETRICS_SCORES = 20_000_000
NETCAL_SAMPLES = 30_000_000
SCIPY_SAMPLES = 200_000_000
"""What the resamples of one call hold together, so that it takes 1 to 5 s: all 1 000 where they hold less, at least two.

netcal and scipy read the scores once, before they draw. That is scaled too, which adds 3 % at 50 million scores.
"""

BATCH = 10
"""Resamples that scipy holds at once. By default it holds all, 8 GB at 1 000 000 samples."""

FIGURES = {"ece": f"ece{BINS}", "mce": f"mce{BINS}", "accuracy": "accuracy", "nll": "nll", "brier": "brier"}
"""The compared figures, with the names of our metrics."""


class Bootstrap(NamedTuple):
    """Figures of all samples, and their 95 % percentile intervals over the resamples."""

    figures: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]


def ours(x: torch.Tensor, y: torch.Tensor) -> Judgement:
    """What `calibench evaluate` computes of an array of logits, its advice aside."""
    from calibench.evaluation.judge import judge
    from calibench.metrics.judged import Judged
    from calibench.metrics.load import load_metrics
    from calibench.outputs.outputs import Outputs

    return judge(Judged(Outputs(x, False), y), load_metrics())


def compared(judgement: Judgement) -> Figures:
    """The figures that other contenders answer too; NaN for an undefined one."""
    values = {name: judgement.metrics[ours] for name, ours in FIGURES.items()}
    return {name: math.nan if value is None else value for name, value in values.items()}


def torchmetrics(x: torch.Tensor, y: torch.Tensor, resamples: int) -> Bootstrap:
    """numpy draws the rows, torchmetrics at its fastest computes the five figures of each resample."""
    import numpy as np

    generator, n = np.random.default_rng(0), len(y)
    replicates = []
    for _ in range(resamples):
        rows = torch.from_numpy(generator.integers(0, n, n))
        replicates.append(calibration_stats.torchmetrics_shared(x[rows], y[rows]))
    figures = calibration_stats.torchmetrics_shared(x, y)
    return Bootstrap(figures, {name: percentiles([r[name] for r in replicates]) for name in figures})


def netcal(x: torch.Tensor, y: torch.Tensor, resamples: int) -> Bootstrap:
    """numpy draws the rows, netcal computes the ECE of each resample from confidences, which are computed once.

    Fed with probabilities of two classes, netcal would answer another question: the ECE of the second class.
    """
    import numpy as np
    from netcal.metrics import ECE

    generator, n = np.random.default_rng(0), len(y)
    confidence, prediction = x.softmax(1, dtype=calibration_stats.wide(x)).max(1)
    values, correct = confidence.cpu().numpy(), (prediction == y).int().cpu().numpy()
    replicates = []
    for _ in range(resamples):
        rows = generator.integers(0, n, n)
        replicates.append(float(ECE(BINS).measure(values[rows], correct[rows])))
    return Bootstrap({"ece": float(ECE(BINS).measure(values, correct))}, {"ece": percentiles(replicates)})


def scipy(x: torch.Tensor, y: torch.Tensor, resamples: int) -> Bootstrap:
    """`scipy.stats.bootstrap` of the accuracy, vectorized, ten resamples at once."""
    import numpy as np
    from scipy import stats

    correct = (x.argmax(1) == y).double().cpu().numpy()
    interval = stats.bootstrap(
        (correct,),
        np.mean,
        n_resamples=resamples,
        batch=BATCH,
        vectorized=True,
        method="percentile",
        random_state=0,
    ).confidence_interval
    return Bootstrap({"accuracy": float(correct.mean())}, {"accuracy": (float(interval.low), float(interval.high))})


def percentiles(replicates: list[float]) -> tuple[float, float]:
    """The 95 % percentile interval."""
    import numpy as np

    low, high = np.quantile(replicates, (0.025, 0.975))
    return float(low), float(high)


def timed_resamples(held: int, size: int) -> int:
    """The resamples of `size` scores or samples that one call draws, if it may hold `held` of them."""
    return max(2, min(RESAMPLES, held // max(size, 1)))


def _contenders(shape: Shape) -> tuple[Contender, ...]:
    rows, scores = shape[0], shape[0] * shape[1]
    return (
        Contender(OURS, ours, compared, note="every default metric, intervals, noise floors, details and the verdict"),
        Contender(
            "torchmetrics five",
            calibration_stats.torchmetrics_documented,
            peer=True,
            note="no intervals; ECE15, MCE15 and accuracy by a MetricCollection fed with logits, NLL and Brier score by torch",
        ),
        _bootstrapped(
            "torchmetrics + bootstrap",
            torchmetrics,
            timed_resamples(TORCHMETRICS_SCORES, scores),
            "the same five with intervals; metrics built before, one softmax a resample",
        ),
        _bootstrapped(
            "netcal ECE + bootstrap",
            netcal,
            timed_resamples(NETCAL_SAMPLES, rows),
            "ECE15 alone with its interval; one softmax",
        ),
        _bootstrapped(
            "scipy.stats.bootstrap",
            scipy,
            timed_resamples(SCIPY_SAMPLES, rows),
            "accuracy alone with its interval",
        ),
    )


def _bootstrapped(name: str, run: Callable[..., Bootstrap], timed: int, answers: str) -> Contender:
    """A contender of which one call computes the figures of all samples and of `timed` resamples."""
    return Contender(
        name,
        partial(run, resamples=timed),
        lambda bootstrap: bootstrap.figures,
        peer=True,
        scale=(1 + RESAMPLES) / (1 + timed),
        note=f"{answers}; {RESAMPLES} resamples, fewer timed where there is a scale",
    )


OP = Op(
    name="judge",
    answers="every default metric with interval, noise floor and details, and the verdict; the others answer a part",
    shapes=((1_000_000, 10), (50_000, 1000), (10_000, 100), (10_000, 10), (100_000, 2)),
    dtypes=(torch.float32,),
    inputs=trained_network,
    contenders=_contenders,
    # As for calibration_stats; torchmetrics' ECE, summed in float32, is off by .00098 at 1 000 000 x 10.
    tolerance=lambda shape: {**calibration_stats.OP.tolerance(shape), "ece": 2e-3, "accuracy": 1e-6},
    headline="ece",
    built_on="calibration_stats",
)
