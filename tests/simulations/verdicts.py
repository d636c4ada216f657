"""How often the verdict is right, by simulation. It prints the table of docs/evidence/verdicts.md.

Labels are drawn from the softmax of normal logits, so the model is calibrated. It is then changed: its logits are multiplied
(over-confidence), or the odds of one class (one class over-predicted). Each row is a share of independent samples.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import beta
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "evaluation"))

from calibrated import draw, judge_verdict


class Case(NamedTuple):
    """One row of the table."""

    truth: str
    n: int
    classes: int
    sharpen: float = 1.0
    over_predict: float = 1.0


CASES = (
    *(Case("calibrated", n, k) for k in (2, 10, 100) for n in (200, 500, 2_000, 10_000)),
    *(Case("logits x 1.3", n, k, sharpen=1.3) for n, k in ((500, 10), (2_000, 2), (2_000, 10), (2_000, 100))),
    Case("logits x 1.1", 2_000, 10, sharpen=1.1),
    Case("logits x 1.1", 10_000, 10, sharpen=1.1),
    *(Case("one class predicted about twice as often", n, 10, over_predict=3.2) for n in (500, 2_000)),
)


def answer(case: Case, run: int) -> tuple[str, float | None, float]:
    """The verdict of one sample, the detectable gap, and the ratio of predicted to observed samples of class 0."""
    rng = np.random.default_rng((run, *case[1:3], round(100 * case.sharpen), round(100 * case.over_predict)))
    p, labels = draw(rng, case.n, case.classes, sharpen=case.sharpen, over_predict=case.over_predict)
    with threadpool_limits(1):
        verdict = judge_verdict(p, labels, seed=run)
    return verdict.calibrated, verdict.detectable, float(p[:, 0].sum() / max((labels == 0).sum(), 1))


def row(case: Case, runs: int, pool: Pool) -> str:  # type: ignore[valid-type]
    """The table's line of a case."""
    results = pool.map(partial(answer, case), range(runs), chunksize=4)  # type: ignore[attr-defined]
    found = sum(calibrated == "miscalibrated" for calibrated, _, _ in results)
    few = sum(calibrated == "too_few" for calibrated, _, _ in results)
    low = 0.0 if found == 0 else float(beta.ppf(0.025, found, runs - found + 1))
    high = 1.0 if found == runs else float(beta.ppf(0.975, found + 1, runs - found))
    gaps = [gap for _, gap, _ in results if gap is not None]
    cells = (
        case.truth,
        f"{case.n:,}".replace(",", " "),
        f"{case.classes}",
        f"{runs}",
        f"{100 * found / runs:.1f} % [{100 * low:.1f}, {100 * high:.1f}]",
        f"{100 * few / runs:.1f} %",
        f"{100 * np.mean(gaps):.1f} %" if gaps else "-",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400, help="samples a row")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    print("| truth | N | K | samples | called miscalibrated [95 %] | too few to tell | detectable gap |")
    print("|---|---|---|---|---|---|---|")
    with Pool(options.processes) as pool:
        for case in CASES:
            print(row(case, options.runs, pool), flush=True)


if __name__ == "__main__":
    main()
