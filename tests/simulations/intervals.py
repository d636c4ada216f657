"""How often 95 % intervals cover the population value, by simulation. It prints the tables of docs/evidence/intervals.md.

Labels are drawn from the softmax of normal logits. The model under test multiplies these logits (over-confidence), or the odds of
one class, so its population figures are known from the probabilities themselves, without label noise.
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
from threadpoolctl import threadpool_limits

from calibench.metrics.binning import bin_index
from calibench.metrics.bootstrap import Replicates, Sampling, bootstrap
from calibench.metrics.intervals import RESAMPLES, intervals, method_of
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.metrics.metric import Metric
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.smece import _Smoothing
from calibench.outputs.outputs import Outputs

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "evaluation"))

from calibrated import draw_with_truth

Array = NDArray[Any]

METRICS = "ece15,ece_debiased15,classwise_ece15,smece,brier,nll,aurc,augrc,accuracy"
TRUTHS = {
    "calibrated": {},
    "T = 1.15": {"sharpen": 1.15},
    "T = 1.5": {"sharpen": 1.5},
    "T = 2": {"sharpen": 2.0},
    "one class": {"over_predict": 3.2},
}


class Case(NamedTuple):
    """One row of a table."""

    truth: str
    n: int
    classes: int
    scale: float = 2.0
    """Of the logits: 2 gives an accuracy of about one half for 10 classes, 8 gives nine in ten."""

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Array, Array, Array]:
        """True probabilities, probabilities of the model, and labels of n samples."""
        return draw_with_truth(rng, n, self.classes, scale=self.scale, **TRUTHS[self.truth])


def population(case: Case) -> dict[str, float]:
    """The figures of a million samples (of 100 classes 200 000) with their true probabilities in place of labels."""
    n = 200_000 if case.classes == 100 else 1_000_000
    truth, p, _ = case.draw(np.random.default_rng(1), n)
    rows, top = np.arange(n), p.argmax(axis=1)
    confidence, right = p[rows, top], truth[rows, top]
    bins = bin_index(confidence, 15)
    count, gap = np.bincount(bins), np.bincount(bins, weights=confidence - right)
    cell = np.arange(case.classes) * 15 + bin_index(p, 15)
    class_gap = np.bincount(cell.ravel(), weights=(p - truth).ravel())
    sure_first = np.argsort(-confidence, kind="stable")
    errors = (1 - right)[sure_first].cumsum()
    calibrated = case.truth == "calibrated"
    return {
        "ece15": 0.0 if calibrated else float(np.abs(gap).sum() / n),
        "ece_debiased15": 0.0 if calibrated else float(np.sqrt((gap**2 / np.maximum(count, 1)).sum() / n)),
        "classwise_ece15": 0.0 if calibrated else float(np.abs(class_gap).sum() / n / case.classes),
        "smece": 0.0 if calibrated else _smece(confidence, right),
        "brier": float(((p**2).sum(axis=1) - 2 * (p * truth).sum(axis=1) + 1).mean()),
        "nll": float(-(truth * np.log(np.maximum(p, 1e-12))).sum(axis=1).mean()),
        "aurc": float((errors / np.arange(1, n + 1)).mean()),
        "augrc": float((errors / n).mean()),
        "accuracy": float(right.mean()),
    }


def _smece(confidence: Array, right: Array) -> float:
    """smECE of true probabilities in place of labels; tests/metrics/test_smece.py holds it against relplot."""
    ones = np.ones((1, len(confidence)))
    return float(_Smoothing(confidence, (confidence - right)[None], ones).at_fixed_point()[0][0])


def bounds_of(case: Case, run: int) -> dict[str, list[float] | None]:
    """The intervals of one sample; None where there is none."""
    rng = np.random.default_rng((run, case.n, case.classes, list(TRUTHS).index(case.truth), round(case.scale)))
    _, p, labels = case.draw(rng, case.n)
    with threadpool_limits(1):
        judged = Judged(Outputs(torch.tensor(p), True), torch.tensor(labels))
        metrics = {name: metric for name, (_, metric) in load_metrics(METRICS).items()}
        estimates = {name: metric.value(judged) for name, metric in metrics.items()}
        resampled: dict[str, Metric] = {name: m for name, m in metrics.items() if method_of(m) == RESAMPLES}
        none = dict.fromkeys(metrics, Replicates(np.array([]), 0))
        replicates = none | bootstrap(judged, resampled, estimates, Sampling())
        found = intervals(judged, metrics, estimates, replicates, Sampling(seed=run))
    return {name: None if isinstance(bounds, NoInterval) else bounds for name, bounds in found.items()}


def row(case: Case, runs: int, pool: Any) -> tuple[str, dict[str, list[int]]]:
    """The table's line of a case, and for each metric how many intervals there are, lie above, and lie below the value."""
    value = population(case)
    results = pool.map(partial(bounds_of, case), range(runs), chunksize=2)
    cells, counts = [], {}
    for name, at in value.items():
        bounds = np.array([result[name] for result in results if result[name] is not None]).reshape(-1, 2)
        above, below = int((bounds[:, 0] > at).sum()), int((bounds[:, 1] < at).sum())
        counts[name] = [len(bounds), above, below]
        share = 1 - (above + below) / max(len(bounds), 1)
        few = "" if len(bounds) == runs else f" ({100 * len(bounds) / runs:.0f} % shown)"
        cells.append(f"{100 * share:.1f}{few}" if len(bounds) else "none")
    about = (case.truth, f"{case.classes}", f"{case.n:,}".replace(",", " "))
    return f"| {' | '.join((*about, *cells))} |", counts


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400, help="samples a row")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--classes", type=int, nargs="*", default=[2, 10, 100])
    parser.add_argument("--samples", type=int, nargs="*", default=[200, 500, 2_000, 10_000])
    parser.add_argument("--scale", type=float, default=2.0, help="of the logits")
    options = parser.parse_args()
    names = METRICS.split(",")
    print(f"| truth | K | N | {' | '.join(names)} |\n|{'---|' * (3 + len(names))}")
    total = {name: np.zeros(3, dtype=int) for name in names}
    with Pool(options.processes) as pool:
        for classes in options.classes:
            for truth in TRUTHS:
                for n in options.samples:
                    line, counts = row(Case(truth, n, classes, options.scale), options.runs, pool)
                    print(line, flush=True)
                    for name in names:
                        total[name] += counts[name]
    print("\n| metric | intervals | covered | above the value | below it |\n|---|---|---|---|---|")
    for name, (count, above, below) in total.items():
        shares = (count - above - below, above, below)
        print(f"| {name} | {count} | {' | '.join(f'{100 * share / max(count, 1):.1f} %' for share in shares)} |")


if __name__ == "__main__":
    main()
