"""What weights, adjusted losses and prior corrections do to a class of 0.1 %. It prints the tables of docs/evidence/imbalance.md.

Two Gaussian classes in ten dimensions, whose posterior is known. Every draw has its own rows and its own seed of the networks.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calibench import run
from calibench.records.record import ResultRecord
from calibench.records.store import read_predictions

Floats = NDArray[np.float64]

RARE = 0.001
DIMENSIONS, DISTANCE = 10, 3.0
"""Of the rows, and between the means of the classes in SDs: the area under the ROC curve is 0.983."""

ROWS = {"train": 40_000, "val": 10_000, "cal": 20_000, "test": 100_000}

THRESHOLD = 0.01
"""The rule flags a row at a probability of 1 %, which is best where a missed row costs 99 false alarms."""

TRAINING = "batch_size=256,patience=10"
"""Training ends 10 epochs after the best epoch of val, and after 60 epochs at the latest."""

MODEL = "mlp:hidden=32"

BACK = "+prior-correction:source=uniform,prior=cal"
FITTED = "+prior-correction:source=fit,prior=cal"

BOARD = (
    "ce",
    "ce+temperature",
    "ce:weight=balanced",
    f"ce:weight=balanced{BACK}",
    f"ce:weight=balanced{FITTED}",
    "ce:weight=balanced,divide_by=train",
    f"ce:weight=balanced,divide_by=train{BACK}",
    f"ce:weight=balanced,divide_by=train{FITTED}",
    "logit-adjustment",
    f"logit-adjustment{BACK}",
    f"logit-adjustment{FITTED}",
    "balanced-softmax",
    "bce:pos_weight=balanced",
    f"bce:pos_weight=balanced{FITTED}",
    "focal",
    "focal:alpha=balanced",
    f"focal:alpha=balanced{FITTED}",
    "label-smoothing",
    "label-smoothing:weight=balanced",
    f"label-smoothing:weight=balanced{FITTED}",
)

SHIFTED = (0.01, 0.1)
"""Shares of the rare class among test rows after a shift."""

ESTIMATES = tuple(f"+prior-correction:method={name}" for name in ("em", "bcts-em", "bbse", "bbse-soft"))


class Figures(NamedTuple):
    """The figures of one run on the test split."""

    expected: float
    """The sum of the rare class's probabilities divided by its rows; 1 is right."""
    ece: float
    """Of the rare class: 15 equal-width bins of its probability."""
    brier: float
    nll: float
    auprc: float
    recall: float
    precision: float
    """Of the most probable class."""
    rule_recall: float
    rule_precision: float
    cost: float
    """Of the rule p >= 0.01, for 1000 rows: 99 for a missed row, 1 for a false alarm."""
    epoch: float = float("nan")
    """The epoch that was kept."""


def draw(rng: np.random.Generator, rows: int) -> tuple[Floats, NDArray[np.int64]]:
    """So many rows, in random order, of which exactly 0.1 % are of class 1."""
    y = (rng.permutation(rows) < round(RARE * rows)).astype(np.int64)
    x = rng.normal(size=(rows, DIMENSIONS))
    x[:, 0] += DISTANCE * y
    return x.astype(np.float32).astype(np.float64), y


def true_probs(x: Floats) -> Floats:
    """The probability of class 1 at each row, `[N]`."""
    log_odds = DISTANCE * x[:, 0] - DISTANCE**2 / 2 + np.log(RARE / (1 - RARE))
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def figures(p: Floats, y: NDArray[np.int64]) -> Figures:
    """The figures of probabilities `p [N]` of class 1."""
    index = np.clip(np.ceil(p * 15).astype(int) - 1, 0, 14)
    gaps = np.bincount(index, p - y, minlength=15)
    order = np.argsort(-p, kind="stable")
    precision_at = y[order].cumsum() / np.arange(1, len(y) + 1)
    p_of_label = np.clip(np.where(y == 1, p, 1 - p), 1e-12, 1)
    answered, flagged = p > 0.5, p >= THRESHOLD
    missed, false_alarms = int((y[~flagged] == 1).sum()), int((y[flagged] == 0).sum())
    return Figures(
        expected=float(p.sum() / y.sum()),
        ece=float(np.abs(gaps).sum() / len(y)),
        brier=float(2 * np.mean((p - y) ** 2)),
        nll=float(-np.log(p_of_label).mean()),
        auprc=float(precision_at[y[order] == 1].mean()),
        recall=float(answered[y == 1].mean()),
        precision=float(y[answered].mean()) if answered.any() else float("nan"),
        rule_recall=float(flagged[y == 1].mean()),
        rule_precision=float(y[flagged].mean()) if flagged.any() else float("nan"),
        cost=1000 * (99 * missed + false_alarms) / len(y),
    )


def recipe_of(text: str) -> str:
    """The recipe with the settings of its training."""
    objective, plus, rest = text.partition("+")
    return f"{objective}{',' if ':' in objective else ':'}{TRAINING}{plus}{rest}"


def probs_of(arrays: dict[str, Any]) -> Floats:
    """The probability of class 1 of the test rows, `[N]`."""
    if "test.probs" in arrays:
        return np.asarray(arrays["test.probs"][:, 1], dtype=np.float64)
    z = arrays["test.logits"].astype(np.float64)
    return np.asarray(1 / (1 + np.exp(z[:, 0] - z[:, 1])))


def mean_sd(values: Sequence[float], digits: int, scale: float = 1.0) -> str:
    """`mean ± SD` over the draws; a dash where a figure is undefined in a draw."""
    numbers = scale * np.asarray(values)
    if np.isnan(numbers).any():
        return "–"
    return f"{numbers.mean():.{digits}f}" + (f" ± {numbers.std(ddof=1):.{digits}f}" if len(numbers) > 1 else "")


def print_board(by_recipe: dict[str, list[Figures]]) -> None:
    """The two tables of the board: probabilities, and answers."""
    print("\n| recipe | expected / observed | ECE15 of the class % | Brier x 1000 | NLL x 1000 | AUPRC |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, rows in by_recipe.items():
        of = Figures(*zip(*rows, strict=True))
        cells = (mean_sd(of.expected, 2), mean_sd(of.ece, 3, 100), mean_sd(of.brier, 2, 1000), mean_sd(of.nll, 2, 1000))
        print(f"| {name} | {' | '.join((*cells, mean_sd(of.auprc, 2)))} |")
    print(
        "\n| recipe | recall %, argmax | precision %, argmax | recall %, p >= .01 | precision %, p >= .01 | cost | epoch |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, rows in by_recipe.items():
        of = Figures(*zip(*rows, strict=True))
        shares = (of.recall, of.precision, of.rule_recall, of.rule_precision)
        cells = [mean_sd(share, 0, 100) for share in shares]
        print(f"| {name} | {' | '.join((*cells, mean_sd(of.cost, 1), mean_sd(of.epoch, 0)))} |")


def shift_cells(record: ResultRecord) -> tuple[float, float, float]:
    """The estimated share of the rare class among the shifted rows, their NLL, and their class-wise ECE15."""
    (row,) = record.shift
    adapted = row["about"].get("adapted", {}).get("prior-correction")
    estimate = float("nan") if adapted is None else adapted["shares"][1]
    return estimate, row["metrics"]["nll"], row["metrics"]["classwise_ece15"]


class Draw:
    """One draw of the rows, written into a folder, and the runs on it."""

    def __init__(self, number: int, folder: Path) -> None:
        rng = np.random.default_rng([number, 0x1B])
        splits = {name: draw(rng, rows) for name, rows in ROWS.items()}
        arrays: dict[str, Any] = {f"{name}_x": x.astype(np.float32) for name, (x, _) in splits.items()}
        arrays |= {f"{name}_y": y for name, (_, y) in splits.items()}
        np.savez(folder / "rare.npz", **arrays)
        self.number, self.folder = number, folder
        self.test_x, self.test_y = splits["test"]

    def run(self, recipe: str, shift: Sequence[str] = ()) -> ResultRecord:
        """The record of a recipe."""
        data, results = f"npz:path={self.folder / 'rare.npz'}", self.folder / "results"
        record = run(recipe_of(recipe), data, MODEL, self.number, results=results, shift=shift)
        assert isinstance(record, ResultRecord)
        return record

    def figures(self, recipe: str) -> Figures:
        """The figures of a recipe on the test rows."""
        record = self.run(recipe)
        of_test = figures(probs_of(read_predictions(self.folder / "results", record)), self.test_y)
        return of_test._replace(epoch=record.fitted[0]["epoch"])


def figures_of_draw(number: int) -> dict[str, Any]:
    """The figures of every recipe on one draw: `board`, and `shifted` by the share of the rare class."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = Draw(number, Path(folder))
        board = {"*true posterior*": figures(true_probs(drawn.test_x), drawn.test_y)}
        board |= {f"`{recipe}`": drawn.figures(recipe) for recipe in BOARD}
        shifted = {}
        for share in SHIFTED:
            shares = f"prior={1 - share:g};{share:g}"
            recipes = [f"ce{correction}" for correction in ("", f"+prior-correction:{shares}", *ESTIMATES)]
            cells = {f"`{recipe}`": shift_cells(drawn.run(recipe, [f"label-shift:{shares}"])) for recipe in recipes}
            shifted[f"{100 * share:g}"] = cells
    return {"board": board, "shifted": shifted}


def main() -> None:
    """Run every recipe on every draw, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument(
        "--keep", type=Path, default=None, help="folder for the figures of each draw, which are not run again"
    )
    options = parser.parse_args()
    draws = []
    for number in range(options.draws):
        file = None if options.keep is None else options.keep / f"draw-{number}.json"
        if file is not None and file.exists():
            draws.append(json.loads(file.read_text()))
            continue
        draws.append(figures_of_draw(number))
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(draws[-1]))
    print_board({name: [Figures(*one["board"][name]) for one in draws] for name in draws[0]["board"]})
    print("\n| test share % | recipe | estimated share % | NLL | class-wise ECE15 % |")
    print("|--:|---|--:|--:|--:|")
    for share, by_recipe in draws[0]["shifted"].items():
        for name in by_recipe:
            estimate, nll, ece = zip(*(one["shifted"][share][name] for one in draws), strict=True)
            print(f"| {share} | {name} | {mean_sd(estimate, 2, 100)} | {mean_sd(nll, 3)} | {mean_sd(ece, 2, 100)} |")


if __name__ == "__main__":
    main()
