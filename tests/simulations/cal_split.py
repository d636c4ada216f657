"""How often a guarantee fails if a calibrator and a rule share cal in one way or another: a table of docs/evidence/decisions.md.

Labels are drawn from the softmax of normal logits. The model sees these logits with noise, each row multiplied by a number of its
own, so that a temperature changes the order of the samples. The risk is that of 30 000 other samples.
"""

from __future__ import annotations

import argparse
from functools import cache, partial
from multiprocessing import Pool
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import beta
from threadpoolctl import threadpool_limits

from calibench import Outputs
from calibench.config.resolve import resolve_chain
from calibench.outputs.decisions import Decisions
from calibench.recipe.posthoc import PostHoc
from calibench.stages import DecisionRule

WAYS = ("same", "cross-fit", "fifth", "half")
"""`same` fits the rule on the very samples of the calibrator, as a rule without a guarantee does."""


class Case(NamedTuple):
    """A few rows of the table: one for each way."""

    calibrator: str
    rule: str
    classes: int
    n: int


RISK = "threshold:target_risk={},delta={}"
CASES = (
    Case("temperature", RISK.format(0.05, 0.2), 10, 500),
    Case("temperature", RISK.format(0.02, 0.05), 10, 2000),
    Case("isotonic", RISK.format(0.05, 0.2), 10, 1000),
    Case("temperature", "conformal:alpha=0.1", 10, 400),
)


def draw(classes: int, n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Over-confident logits and labels; three samples in four are answered right."""
    rng = np.random.default_rng((seed, classes, n))
    truth = 8 * rng.normal(size=(n, classes))
    p = np.exp(truth - truth.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    labels = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=classes - 1)
    own = np.exp(0.5 * rng.normal(size=(n, 1)))
    return torch.tensor(2 * (truth * own + 0.8 * rng.normal(size=(n, classes)))), torch.tensor(labels)


@cache
def others(classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The samples that stand for the population."""
    return draw(classes, 30_000, seed=1_000_000)


def fitted(case: Case, way: str, seed: int) -> PostHoc:
    """The chain, fitted in this way on a draw of cal."""
    text = f"{case.calibrator}+{case.rule}" + ("" if way == "same" else f",cal_split={way}")
    chain = PostHoc(resolve_chain(text, ("calibrator", "decision"), way), case.classes)
    assert chain.rule is not None
    rule: DecisionRule = chain.rule[1]
    rule.needs_fresh = way != "same"
    logits, labels = draw(case.classes, case.n, seed)
    torch.manual_seed(seed)
    chain.fit(Outputs(logits), labels)
    return chain


def outcome(case: Case, seed: int) -> list[tuple[bool, float]]:
    """For each way whether the guarantee fails in this draw, and the coverage of the answers or sets."""
    logits, labels = others(case.classes)
    found = []
    with threadpool_limits(1):
        for way in WAYS:
            chain = fitted(case, way, seed)
            decisions = chain.decide(chain.apply(Outputs(logits)))
            assert decisions is not None
            found.append(judged(decisions, labels))
    return found


def judged(decisions: Decisions, labels: torch.Tensor) -> tuple[bool, float]:
    """Whether the risk of the answers is above the target, and their share; of sets, False and the share that hold the label."""
    if decisions.sets is not None:
        return False, float(decisions.sets.gather(1, labels[:, None]).double().mean())
    accepted = decisions.answers >= 0
    wrong = (decisions.answers != labels) & accepted
    above = float(wrong.sum()) > decisions.targets["selective_risk"] * float(accepted.sum())
    return above, float(accepted.double().mean())


def rows(case: Case, runs: int, pool: Pool) -> list[str]:  # type: ignore[valid-type]
    """The table's lines of a case."""
    results = pool.map(partial(outcome, case), range(runs), chunksize=4)  # type: ignore[attr-defined]
    lines = []
    for at, way in enumerate(WAYS):
        failed, coverage = sum(result[at][0] for result in results), [result[at][1] for result in results]
        low = 0.0 if failed == 0 else float(beta.ppf(0.025, failed, runs - failed + 1))
        high = float(beta.ppf(0.975, failed + 1, runs - failed))
        share = f"{100 * failed / runs:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
        of_sets = case.rule.startswith("conformal")
        cells = (case.calibrator, f"`{case.rule}`", case.classes, case.n, way, "-" if of_sets else share)
        spread = 100 * float(np.std(coverage, ddof=1)) / runs**0.5
        lines.append(f"| {' | '.join(map(str, cells))} | {100 * np.mean(coverage):.1f} ± {spread:.1f} % |")
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300, help="draws of cal")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    print("| calibrator | rule | K | N of cal | way | failed [95 %] | coverage, mean ± standard error |")
    print("|---|---|---|---|---|---|---|")
    with Pool(options.processes) as pool:
        for case in CASES:
            print("\n".join(rows(case, options.runs, pool)), flush=True)


if __name__ == "__main__":
    main()
