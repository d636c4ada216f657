"""How often intervals of weighted samples cover, and how often a calibrated model is called miscalibrated, by simulation.

It prints the tables of docs/evidence/weights.md. Labels are drawn from the softmax of normal logits. Weights are lognormal: alone,
or times a factor that falls with the confidence, so that they go with the figures.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import beta
from threadpoolctl import threadpool_limits

from calibench.evaluation.calibration_test import calibration_test, families
from calibench.metrics.binning import bin_index
from calibench.metrics.bootstrap import Replicates, Sampling, bootstrap
from calibench.metrics.intervals import RESAMPLES, intervals, method_of
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.metrics.mean_interval import mean_interval, share_interval, wilson_interval
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.noise_floor import drawn_figures
from calibench.metrics.sample_weight import effective_samples
from calibench.outputs.outputs import Outputs

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "evaluation"))

from calibrated import draw_with_truth

Array = NDArray[Any]

METRICS = "accuracy,nll,brier,ece15,ece_debiased15,ece_equal_mass15,aurc"
TRUTHS: dict[str, dict[str, float]] = {"calibrated": {}, "T = 1.5": {"sharpen": 1.5}}
OF_ACCURACY = ("accuracy, t", "accuracy, Wilson")
"""Two intervals of accuracy without the choice between them."""


class Case(NamedTuple):
    """One row of a table."""

    truth: str
    n: int
    classes: int
    scale: float
    """Of the logits."""
    dependent: bool
    """True if weights fall with the confidence."""

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Array, Array, Array, Array]:
        """True probabilities, those of the model, labels and weights."""
        truth, p, labels = draw_with_truth(rng, n, self.classes, scale=self.scale, **TRUTHS[self.truth])
        tilt = -2 * p.max(axis=1) if self.dependent else 0.0
        return truth, p, labels, np.exp(rng.normal(size=n) + tilt)


def population(case: Case) -> dict[str, float]:
    """The weighted figures of 300 000 samples, with their true probabilities in place of labels."""
    n = 300_000
    truth, p, _, w = case.draw(np.random.default_rng(1), n)
    w /= w.mean()
    rows, top = np.arange(n), p.argmax(axis=1)
    confidence, right = p[rows, top], truth[rows, top]
    calibrated = case.truth == "calibrated"
    order = np.argsort(-confidence, kind="stable")
    errors = (w * (1 - right))[order].cumsum()
    coverage = w[order].cumsum()
    middle = coverage - w[order] / 2
    gap, equal = w * (confidence - right), np.empty(n, dtype=int)
    equal[order] = np.minimum((15 * middle / n).astype(int), 14)
    bins = bin_index(confidence, 15)
    gaps, count = np.bincount(bins, gap), np.bincount(bins, w)
    filled = count > 0
    values = {
        "accuracy": (w * right).mean(),
        "nll": -(w * (truth * np.log(np.maximum(p, 1e-12))).sum(axis=1)).mean(),
        "brier": (w * ((p**2).sum(axis=1) - 2 * (p * truth).sum(axis=1) + 1)).mean(),
        "ece15": 0 if calibrated else np.abs(gaps).sum() / n,
        "ece_debiased15": 0 if calibrated else np.sqrt((gaps[filled] ** 2 / count[filled]).sum() / n),
        "ece_equal_mass15": 0 if calibrated else np.abs(np.bincount(equal, gap)).sum() / n,
        "aurc": (w[order] * errors / coverage).mean(),
    }
    values["accuracy, t"] = values["accuracy, Wilson"] = values["accuracy"]
    return {name: float(value) for name, value in values.items()}


def bounds_of(case: Case, names: str, run: int) -> dict[str, Any]:
    """The intervals of one sample; None where there is none."""
    rng = np.random.default_rng((run, case.n, case.classes, list(TRUTHS).index(case.truth), case.dependent))
    _, p, labels, w = case.draw(rng, case.n)
    with threadpool_limits(1):
        judged = Judged(Outputs(torch.tensor(p), True), torch.tensor(labels), sample_weight=w)
        metrics = {name: metric for name, (_, metric) in load_metrics(names).items()}
        estimates = {name: metric.value(judged) for name, metric in metrics.items()}
        resampled = {name: metric for name, metric in metrics.items() if method_of(metric) == RESAMPLES}
        none = dict.fromkeys(metrics, Replicates(np.array([]), 0))
        replicates = none | bootstrap(judged, resampled, estimates, Sampling())
        found: dict[str, Any] = dict(intervals(judged, metrics, estimates, replicates, Sampling(seed=run)))
    found["accuracy, t"] = mean_interval(judged.correct, 0.95, w)
    n = effective_samples(w)
    found["accuracy, Wilson"] = wilson_interval(estimates["accuracy"] * n, n)
    return {name: None if isinstance(bounds, NoInterval) else bounds for name, bounds in found.items()}


def coverage_row(case: Case, names: str, runs: int, pool: Any) -> str:
    """The table's line of a case."""
    value, cells = population(case), []
    results = pool.map(partial(bounds_of, case, names), range(runs), chunksize=2)
    for name in (*names.split(","), *OF_ACCURACY):
        bounds = np.array([result[name] for result in results if result[name] is not None]).reshape(-1, 2)
        if not len(bounds):
            cells.append("-")
            continue
        covered = (bounds[:, 0] <= value[name] + 1e-12) & (value[name] <= bounds[:, 1] + 1e-12)
        cells.append(f"{100 * covered.mean():.1f}" + ("" if len(bounds) == runs else f" ({len(bounds)})"))
    about = (case.truth, case.classes, case.n, "with confidence" if case.dependent else "alone")
    return f"| {' | '.join(map(str, (*about, *cells)))} |"


def is_rejected(case: Case, run: int) -> bool:
    """True if the verdict on one sample is that it is miscalibrated."""
    rng = np.random.default_rng((run, 7, case.n, case.classes, case.dependent))
    _, p, labels, w = case.draw(rng, case.n)
    with threadpool_limits(1):
        judged = Judged(Outputs(torch.tensor(p), True), torch.tensor(labels), sample_weight=w)
        drawn = drawn_figures(judged, families(judged), seed=run)
        return bool(calibration_test(judged, drawn, run).findings)


def verdict_row(case: Case, runs: int, pool: Any) -> str:
    """The table's line of a case."""
    found = sum(pool.map(partial(is_rejected, case), range(runs), chunksize=4))
    low, high = beta.ppf(0.025, found, runs - found + 1), beta.ppf(0.975, found + 1, runs - found)
    share = f"{100 * found / runs:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
    about = (case.truth, case.classes, case.n, "with confidence" if case.dependent else "alone", runs)
    return f"| {' | '.join(map(str, (*about, share)))} |"


def shares_row(share: float, n: int, runs: int) -> str:
    """How often two intervals of a share cover where weights are exp(z), and the log odds of a right answer rise by 0.6 z."""
    rng = np.random.default_rng((n, round(100 * share)))
    tilt, z = np.log(share / (1 - share)), np.linspace(-9, 9, 4001)
    value = float(np.average(1 / (1 + np.exp(-tilt - 0.6 * z)), weights=np.exp(z - z**2 / 2)))
    covered = np.zeros(2)
    for _ in range(runs):
        z = rng.normal(size=n)
        right, w = (rng.random(n) < 1 / (1 + np.exp(-tilt - 0.6 * z))).astype(np.float64), np.exp(z)
        effective = effective_samples(w)
        bounds = (
            share_interval(right, 0.95, w),
            wilson_interval(float(np.average(right, weights=w)) * effective, effective),
        )
        covered += [not isinstance(found, NoInterval) and found[0] <= value <= found[1] for found in bounds]
    return f"| {share} | {n} | {100 * covered[0] / runs:.1f} | {100 * covered[1] / runs:.1f} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400, help="samples a row")
    parser.add_argument("--metrics", default=METRICS)
    parser.add_argument("--samples", type=int, nargs="*", default=[200, 2_000])
    parser.add_argument("--verdicts", type=int, default=1000, help="samples a row of the second table")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--shares", type=int, default=4_000, help="samples a row of the table of shares")
    options = parser.parse_args()
    with Pool(options.processes) as pool:
        columns = [*options.metrics.split(","), *OF_ACCURACY]
        print(f"| truth | K | N | weights | {' | '.join(columns)} |\n|{'---|' * (4 + len(columns))}")
        for n in options.samples if options.runs else ():
            for classes, scale in ((2, 2.0), (10, 2.0)):
                for truth in TRUTHS:
                    for dependent in (False, True):
                        case = Case(truth, n, classes, scale, dependent)
                        print(coverage_row(case, options.metrics, options.runs, pool), flush=True)
        print("\n| truth | K | N | weights | samples | called miscalibrated [95 %] |\n|---|---|---|---|---|---|")
        shapes = ((200, 2), (200, 10), (1_000, 10))
        cases = [Case("calibrated", n, k, 2.0, dependent) for n, k in shapes for dependent in (False, True)]
        cases += [Case("T = 1.5", 1_000, 10, 2.0, False)]
        for case in cases if options.verdicts else ():
            print(verdict_row(case, options.verdicts, pool), flush=True)
    print("\n| share where z = 0 | N | calibench | Wilson |\n|---|---|---|---|")
    for share in (0.6, 0.9, 0.97) if options.shares else ():
        for n in (200, 2_000):
            print(shares_row(share, n, options.shares), flush=True)


if __name__ == "__main__":
    main()
