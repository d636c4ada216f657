"""The share of answers if temperature and a target risk share cal, on data: a table of docs/evidence/decisions.md.

Digits with noise and a logistic regression; with `--probs FILE` the array `densenet_bc_100` of `cifar100_test_probs.npz` as well.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from calibench import Outputs
from calibench.config.resolve import resolve_chain
from calibench.recipe.posthoc import PostHoc

Samples = tuple[torch.Tensor, torch.Tensor]

RECIPES = (
    "threshold:target_risk={}",
    "temperature+threshold:target_risk={},cal_split=half",
    "temperature+threshold:target_risk={}",
    "temperature+threshold:target_risk={},cal_split=cross-fit",
)


def digits() -> Samples:
    """Logits of 1 397 digits, of which 82 % are answered right."""
    x, y = load_digits(return_X_y=True)
    x = (x + 3 * np.random.default_rng(0).normal(size=x.shape)) / 16
    model = LogisticRegression(C=100, max_iter=300).fit(x[:400], y[:400])
    return torch.tensor(model.decision_function(x[400:])), torch.tensor(y[400:])


def cifar100(file: Path) -> Samples:
    """Log-probabilities of 10 000 images."""
    with np.load(file) as arrays:
        probs = torch.tensor(arrays["densenet_bc_100"].astype(np.float64))
        return Outputs(probs, from_probs=True).logits(), torch.tensor(arrays["label"].astype(np.int64))


def answered(recipe: str, samples: Samples, n: int, splits: int) -> tuple[float, int]:
    """The mean share of answers over random splits, and the number of splits whose other samples exceed the target."""
    logits, labels = samples
    rng, shares, failed = np.random.default_rng(n), [], 0
    for split in range(splits):
        order = torch.tensor(rng.permutation(len(labels)))
        cal, test = order[:n], order[n:]
        torch.manual_seed(split)
        chain = PostHoc(resolve_chain(recipe, ("calibrator", "decision"), recipe), logits.shape[1])
        chain.fit(Outputs(logits[cal]), labels[cal])
        decisions = chain.decide(chain.apply(Outputs(logits[test])))
        assert decisions is not None
        accepted = decisions.answers >= 0
        wrong = accepted & (decisions.answers != labels[test])
        shares.append(float(accepted.double().mean()))
        failed += float(wrong.sum()) > decisions.targets["selective_risk"] * float(accepted.sum())
    return float(np.mean(shares)), failed


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--probs", type=Path)
    options = parser.parse_args()
    outputs: list[tuple[str, Samples, tuple[int, ...], int]] = [("digits", digits(), (400, 600), 20)]
    if options.probs is not None:
        outputs.append(("CIFAR-100", cifar100(options.probs), (500, 1000, 2000), 10))
    print(
        "| outputs | N of cal | target_risk | `threshold` alone | temperature, half | default | cross-fit | most failed |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, samples, sizes, splits in outputs:
        for n in sizes:
            for target in (0.02, 0.05):
                found = [answered(recipe.format(target), samples, n, splits) for recipe in RECIPES]
                cells = [f"{100 * share:.1f} %" for share, _ in found]
                most = max(failed for _, failed in found)
                print(f"| {name} | {n} | {target} | {' | '.join(cells)} | {most} of {splits} |", flush=True)


if __name__ == "__main__":
    main()
