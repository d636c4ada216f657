"""How often the verdict on groups is right, by simulation. It prints the table of docs/evidence/groups.md.

Labels are drawn from the softmax of normal logits, so the model is calibrated in each of 20 groups. In some cases the logits of
one group are then multiplied, or its odds of class 0. Each row is a share of independent files.
"""

from __future__ import annotations

import argparse
from functools import partial
from multiprocessing import Pool
from typing import NamedTuple

import numpy as np
from scipy.stats import beta
from threadpoolctl import threadpool_limits

from calibench.evaluation.group_test import families, group_figures, group_test, worst_first
from calibench.metrics.judged import Judged
from calibench.metrics.noise_floor import drawn_figures
from calibench.outputs.stored_outputs import outputs_of

GROUPS = 20
BAD = 7


class Case(NamedTuple):
    """One row of the table: every group is calibrated but group `BAD`."""

    truth: str
    sizes: str
    classes: int
    sharpen: float = 1.0
    over_predict: float = 1.0
    scale: float = 2.0


SIZES = {
    "200 each": np.full(GROUPS, 200),
    "500 each": np.full(GROUPS, 500),
    "10 to 2 000": np.geomspace(10, 2000, GROUPS).astype(int),
}

CASES = (
    *(Case("calibrated", sizes, k) for k in (2, 10) for sizes in ("200 each", "10 to 2 000")),
    Case("calibrated, few positives", "500 each", 2, over_predict=1.0, scale=4.0),
    Case("one group: logits x 2", "500 each", 2, sharpen=2.0),
    Case("one group: logits x 1.5", "500 each", 10, sharpen=1.5),
    Case("one group: odds of class 0 x 2", "500 each", 2, over_predict=2.0),
    Case("one group: odds of class 0 x 3", "500 each", 10, over_predict=3.0),
)


def samples(rng: np.random.Generator, n: int, case: Case, changed: bool) -> tuple[Judged, float]:
    """The samples of one group, and the gap between its true and its predicted right answers."""
    z = rng.normal(size=(n, case.classes)) * case.scale
    if case.scale > 2:
        z[:, 1] -= 8
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    labels = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    if changed:
        z = z * case.sharpen
        z[:, 0] += np.log(case.over_predict)
    judged = Judged(outputs_of(z, False), labels)
    truth = p[np.arange(n), judged.prediction]
    by_class = np.abs(p.mean(axis=0) - judged.probs.mean(axis=0)).max()
    order = np.argsort(judged.probs_of(1) if case.classes == 2 else judged.confidence)
    gaps = (judged.probs_of(1) - p[:, 1]) if case.classes == 2 else judged.confidence - truth
    sums = np.append(0, gaps[order].cumsum()) / n
    return judged, max(abs(float(judged.confidence.mean() - truth.mean())), float(by_class), float(np.ptp(sums)))


def answer(case: Case, run: int) -> tuple[bool, bool, bool, bool]:
    """Of one file: any calibrated group accused; the bad group found; it stands first; some bound is above the true gap."""
    rng = np.random.default_rng((run, CASES.index(case)))
    figures, gaps = [], []
    with threadpool_limits(1):
        for number, n in enumerate(SIZES[case.sizes]):
            judged, gap = samples(rng, int(n), case, number == BAD)
            parts = families(judged)
            figures.append(group_figures(judged, parts, drawn_figures(judged, parts, seed=run), number, run))
            gaps.append(gap)
        verdicts = group_test(figures)
    accused = [verdict["calibrated"] == "miscalibrated" for verdict in verdicts]
    first = min(range(GROUPS), key=lambda number: worst_first(verdicts[number]))
    wrong = any((verdict["at_least"] or 0.0) > gap + 1e-9 for verdict, gap in zip(verdicts, gaps, strict=True))
    one_is_bad = case.sharpen != 1 or case.over_predict != 1
    others = [found for number, found in enumerate(accused) if number != BAD or not one_is_bad]
    return any(others), accused[BAD], first == BAD, wrong


def share(count: int, runs: int) -> str:
    """A share with its Clopper-Pearson interval."""
    low = 0.0 if count == 0 else float(beta.ppf(0.025, count, runs - count + 1))
    high = 1.0 if count == runs else float(beta.ppf(0.975, count + 1, runs - count))
    return f"{100 * count / runs:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def row(case: Case, runs: int, pool: Pool) -> str:  # type: ignore[valid-type]
    """The table's line of a case."""
    results = pool.map(partial(answer, case), range(runs), chunksize=4)  # type: ignore[attr-defined]
    alarm, found, first, wrong = (sum(column) for column in zip(*results, strict=True))
    one_is_bad = case.sharpen != 1 or case.over_predict != 1
    power = (share(found, runs), f"{100 * first / runs:.1f} %") if one_is_bad else ("-", "-")
    cells = (case.truth, case.sizes, f"{case.classes}", f"{runs}", share(alarm, runs), *power, share(wrong, runs))
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300, help="files of a calibrated model a row; others have a fifth")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    print(
        "| truth | samples in a group | K | files | a calibrated group accused [95 %] | the bad group found | it stands first "
        "| a bound above the true gap |"
    )
    print("|---|---|---|---|---|---|---|---|")
    with Pool(options.processes) as pool:
        for case in CASES:
            one_is_bad = case.sharpen != 1 or case.over_predict != 1
            print(row(case, options.runs // 5 if one_is_bad else options.runs, pool), flush=True)


if __name__ == "__main__":
    main()
