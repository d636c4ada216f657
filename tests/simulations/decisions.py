"""What `conformal:per=` and `ltt` promise and cost, by simulation. It prints two tables of docs/evidence/decisions.md."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import beta

from calibench import Outputs
from calibench.config.resolve import resolve_chain
from calibench.outputs.decisions import Decisions
from calibench.recipe.posthoc import PostHoc

Samples = tuple[torch.Tensor, torch.Tensor]

COSTS = "0,1,1,0.2\n1,0,1,0.2\n5,5,0,0.2\n"
RULES = (
    "threshold:target_risk=0.08,delta=0.1",
    "ltt:target_risk=0.08,delta=0.1",
    "ltt:target_class_risk=0.1,delta=0.1",
    "ltt:target_cost=0.3,matrix={},delta=0.1",
    "ltt:target_risk=0.1,target_class_risk=0.12,target_cost=0.35,matrix={},delta=0.1",
)


def hard_half(n: int, classes: int, seed: int) -> Samples:
    """Logits of which the last half of the classes are recognised badly."""
    rng = np.random.default_rng((seed, n))
    y = rng.integers(classes, size=n)
    logits = rng.normal(size=(n, classes))
    logits[np.arange(n), y] += np.where(y >= classes // 2, 1.5, 5.0)
    return torch.tensor(logits), torch.tensor(y)


def three_classes(n: int, seed: int) -> Samples:
    """Three classes; the third is recognised worst, and its errors cost most."""
    rng = np.random.default_rng((seed, n))
    y = rng.choice(3, size=n, p=[0.5, 0.3, 0.2])
    logits = 1.5 * rng.normal(size=(n, 3))
    logits[np.arange(n), y] += np.array([4.0, 4.0, 2.5])[y] * rng.random(n) * 1.6
    return torch.tensor(logits), torch.tensor(y)


def decided(rule: str, cal: Samples, test: torch.Tensor, seed: int) -> Decisions:
    """The decisions on `test` of a rule that is fitted on cal."""
    chain = PostHoc(resolve_chain(rule, ("decision",), rule), test.shape[1])
    torch.manual_seed(seed)
    chain.fit(Outputs(cal[0]), cal[1])
    decisions = chain.decide(Outputs(test))
    assert decisions is not None
    return decisions


def conformal_row(per: str, n: int, runs: int, classes: int = 40) -> str:
    """The line of one way to group classes."""
    logits, labels = hard_half(20_000, classes, seed=1_000_000)
    y = labels.numpy()
    by_class, sizes = [], []
    for seed in range(runs):
        sets = decided(f"conformal:alpha=0.1,per={per}", hard_half(n, classes, seed), logits, seed).sets
        assert sets is not None
        hits = sets.numpy()[np.arange(len(y)), y]
        by_class.append(np.bincount(y, hits, classes) / np.bincount(y, minlength=classes))
        sizes.append(float(sets.sum(dim=1).double().mean()))
    covered = np.array(by_class)
    halves = [f"{100 * part.mean():.1f} %" for part in np.split(covered, 2, axis=1)]
    gap = 100 * np.abs(covered - 0.9).mean()
    return f"| {n} | `{per}` | {halves[0]} | {halves[1]} | {gap:.1f} points | {np.mean(sizes):.1f} |"


def fails(decisions: Decisions, rule: str, labels: NDArray[np.int64]) -> bool:
    """True if one of the risks that the rule names is above its target."""
    answers = decisions.answers.numpy()
    settings = dict(part.split("=") for part in rule.partition(":")[2].split(","))
    wrong, accepted = (answers >= 0) & (answers != labels), answers >= 0
    above = "target_risk" in settings and wrong.sum() > float(settings["target_risk"]) * accepted.sum()
    if "target_class_risk" in settings:
        errors, count = np.bincount(labels[wrong], minlength=3), np.bincount(labels, minlength=3)
        above |= bool((errors > float(settings["target_class_risk"]) * count).any())
    if "target_cost" in settings:
        costs = np.array([[float(cell) for cell in line.split(",")] for line in COSTS.split()])
        above |= bool(costs[labels, answers].mean() > float(settings["target_cost"]))
    return bool(above)


def ltt_row(rule: str, matrix: Path, runs: int, n: int) -> str:
    """The line of one rule."""
    logits, labels = three_classes(60_000, seed=1_000_000)
    failed, coverage, none = 0, [], 0
    for seed in range(runs):
        decisions = decided(rule.format(matrix), three_classes(n, seed), logits, seed)
        answered = float((decisions.answers >= 0).double().mean())
        coverage.append(answered)
        none += answered == 0
        failed += answered > 0 and fails(decisions, rule, labels.numpy())
    low = 0.0 if failed == 0 else float(beta.ppf(0.025, failed, runs - failed + 1))
    high = float(beta.ppf(0.975, failed + 1, runs - failed))
    share = f"{100 * failed / runs:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
    return f"| `{rule.format('costs.csv')}` | {share} | {100 * np.mean(coverage):.1f} % | {100 * none / runs:.1f} % |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300, help="draws of cal")
    parser.add_argument("--samples", type=int, default=1200, help="samples of cal in the second table")
    options = parser.parse_args()
    print("| N of cal | per | easy classes | hard classes | mean gap of a class | classes in a set |")
    print("|---|---|---|---|---|---|")
    for n in (400, 2000, 8000):
        for per in ("all", "class", "cluster"):
            print(conformal_row(per, n, max(1, options.runs // 10)), flush=True)
    print("\n| rule | failed [95 %] | answered | abstained on everything |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        matrix = Path(folder) / "costs.csv"
        matrix.write_text(COSTS)
        for rule in RULES:
            print(ltt_row(rule, matrix, options.runs, options.samples), flush=True)


if __name__ == "__main__":
    main()
