"""CalArena's calibrators on UCI tables and stored outputs: the results of docs/evidence/calibrators.md, a line for each task.

`python tests/simulations/posthoc.py results.csv [--peers]` reads the shared data beside the repository, trains four cheap
classifiers on every UCI set (50 % train, 25 % cal, 25 % test), fits every map on cal and judges it on test. `--sets a,b` takes
these alone. `calibench winrates` ranks the lines. `--peers` adds probmetrics' own calibrators as lines of their own (`peer NAME`).
A map that refuses the samples leaves the outputs as they are; its line counts how often (`refused`).
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from calibench import Outputs, RunError
from calibench.config.resolve import resolve_chain
from calibench.metrics.ece import ECE
from calibench.metrics.judged import Judged
from calibench.recipe.posthoc import PostHoc
from calibench.seeds import seeded

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SPLITS, LARGE = 3, 2000
"""Splits of a UCI set, whose figures are averaged; one for a set of more than `LARGE` rows, where a split says enough."""

RECIPES = {
    "TS": "temperature",
    "ETS": "ets",
    "Isotonic": "isotonic:floor=0",
    "CIR": "cir:floor=0",
    "Venn-Abers": "ivap:of=classes",
    "BBQ": "bbq:of=classes",
    "Hist-uniform": "histogram:bins=10,of=classes,floor=0",
    "Hist-quantile": "hist-quantile:floor=0",
    "Spline": "spline-calib",
    "Kernel": "kernel",
}
"""CalArena's name, and the recipe that repeats it."""

BINARY = RECIPES | {
    "Scaling-Binning": "platt-binner:bins=10,split=false,of=classes",
    "Platt-probs": "platt:score=probability",
    "Platt-logits": "platt:targets=labels",
    "Quadratic": "quadratic",
    "Beta": "beta",
    "CDF-Spline": "cdf-spline",
}
MULTICLASS = RECIPES | {"VS": "vector", "SVS": "svs", "MS": "matrix", "SMS": "sms", "Dirichlet": "dirichlet"}

OTHERS = ("adaptive-temperature", "irm", "spline")
BINARY_OTHERS = (*OTHERS, "platt", "svs", "vector", "dirichlet")
MULTICLASS_OTHERS = (*OTHERS, "platt", "beta", "quadratic")
"""Recipes that CalArena does not have, or not for so many classes; their lines begin with +."""

PEERS = {
    "Hist-uniform": ("BinaryHistogramBinningCalibrator", {"strategy": "uniform"}, True),
    "Hist-quantile": ("BinaryHistogramBinningCalibrator", {"strategy": "quantile"}, True),
    "Scaling-Binning": ("BinaryPlattBinnerCalibrator", {}, False),
    "BBQ": ("NetcalBBQCalibrator", {}, False),
    "Isotonic": ("SklearnCalibrator", {"method": "isotonic"}, False),
    "CIR": ("CenteredIsotonicRegressionCalibrator", {}, True),
    "Venn-Abers": ("VennAbersCalibrator", {}, False),
    "TS": ("TemperatureScalingCalibrator", {}, False),
    "ETS": ("ETSCalibrator", {}, False),
    "Platt-probs": ("SklearnCalibrator", {"method": "sigmoid"}, False),
    "Platt-logits": ("BinaryLogisticCalibrator", {"type": "affine"}, False),
    "Quadratic": ("BinaryLogisticCalibrator", {"type": "quadratic"}, False),
    "Beta": ("BetacalCalibrator", {}, False),
    "Spline": ("MLISplineCalibrator", {}, False),
    "CDF-Spline": ("CDFSplineCalibrator", {}, False),
    "Kernel": ("KernelCalibrator", {}, False),
    "VS": ("VectorScalingCalibrator", {}, False),
    "SVS": ("SVSCalibrator", {}, False),
    "MS": ("MatrixScalingCalibrator", {}, False),
    "SMS": ("SMSCalibrator", {}, False),
}
"""CalArena's name, probmetrics' class, its arguments, and whether CalArena runs it one against the rest."""

STORED = ("cifar100", "cifar10-jpeg", "retinopathy", "mnist", "20news", "imdb", "catdog")

Floats = NDArray[np.float64]


class Task(NamedTuple):
    """Probabilities `[n, K]` and labels `[n]` of cal and of test."""

    dataset: str
    model: str
    cal: Floats
    cal_labels: NDArray[np.int64]
    test: Floats
    test_labels: NDArray[np.int64]


def classifiers(seed: int) -> dict[str, Any]:
    """Four cheap classifiers."""
    network = MLPClassifier((64,), max_iter=300, random_state=seed)
    return {
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "forest": RandomForestClassifier(200, random_state=seed),
        "boosting": HistGradientBoostingClassifier(max_iter=50, random_state=seed),
        "network": make_pipeline(StandardScaler(), network),
    }


def uci_tasks(names: list[str] | None) -> Iterator[Task]:
    """Each UCI set, split and classifier. A classifier that has not seen a class gives it 0."""
    with np.load(DATA / "uci_tabular.npz") as arrays:
        sets = {key.removesuffix("__X"): (arrays[key], arrays[key[:-1] + "y"]) for key in arrays if key.endswith("__X")}
    for name, (x, labels) in sorted(sets.items()):
        if names is not None and name not in names:
            continue
        y = labels.astype(np.int64)
        for seed in range(SPLITS if len(y) <= LARGE else 1):
            stratify = y if np.bincount(y).min() >= 4 else None
            train, rest = train_test_split(np.arange(len(y)), train_size=0.5, random_state=seed, stratify=stratify)
            kept = None if stratify is None or np.bincount(y[rest]).min() < 2 else y[rest]
            cal, test = train_test_split(rest, train_size=0.5, random_state=seed, stratify=kept)
            for model, classifier in classifiers(seed).items():
                classifier.fit(x[train], y[train])
                probs = np.zeros((2, max(len(cal), len(test)), int(y.max()) + 1))
                for part, rows in enumerate((cal, test)):
                    probs[part, : len(rows), classifier.classes_] = classifier.predict_proba(x[rows]).T
                yield Task(name, model, probs[0, : len(cal)], y[cal], probs[1, : len(test)], y[test])


def stored_tasks(names: list[str] | None) -> Iterator[Task]:
    """Each stored network: half of the rows (or the file's own validation rows) are cal, the others test."""

    def halves(dataset: str, model: str, probs: NDArray[Any], labels: NDArray[Any], shuffled: bool = True) -> Task:
        order = np.random.default_rng(0).permutation(len(labels)) if shuffled else np.arange(len(labels))
        probs, labels = unit(probs)[order], labels.astype(np.int64)[order]
        half = len(labels) // 2
        return Task(dataset, model, probs[:half], labels[:half], probs[half:], labels[half:])

    wanted = {name for name in STORED if names is None or name in names}
    if "cifar100" in wanted:
        a = np.load(DATA / "cifar100_test_probs.npz")
        for model in ("lenet5", "wrn16_4", "densenet_bc_100"):
            yield halves("cifar100", model, a[model], a["label"], shuffled=False)
    if "cifar10-jpeg" in wanted:
        a = np.load(DATA / "cifar10_resnet_jpeg_logits.npz")
        for model, logits in zip(a["models"], a["logits"], strict=True):
            yield halves("cifar10-jpeg", str(model), softmax(logits), a["label"])
    if "retinopathy" in wanted:
        a = np.load(DATA / "diabetic_retinopathy_probs.npz")
        yield halves("retinopathy", "one view", a["tta_prob"][0], a["label"])
        yield halves("retinopathy", "mc-dropout", a["mc_dropout_prob"].astype(np.float64).mean(axis=0), a["label"])
    for name in ("mnist", "20news", "imdb"):
        if name in wanted:
            a = np.load(DATA / "label_errors_test_probs.npz")
            yield halves(name, "out of fold", a[f"{name}_prob"], a[f"{name}_label"])
    if "catdog" in wanted:
        a = np.load(DATA / "catdog_ensemble_logits.npz")
        for i, member in enumerate(a["members"]):
            parts = [softmax(np.stack([np.zeros(5000), a[f"logit_{part}"][i]], axis=1)) for part in ("valid", "test")]
            labels = [a[f"label_{part}"].astype(np.int64) for part in ("valid", "test")]
            yield Task("catdog", str(member), parts[0], labels[0], parts[1], labels[1])


def softmax(z: NDArray[Any]) -> Floats:
    z = z.astype(np.float64)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def unit(probs: NDArray[Any]) -> Floats:
    probs = probs.astype(np.float64)
    return probs / probs.sum(axis=1, keepdims=True)


def mapped(recipe: str, task: Task) -> Floats:
    """The test probabilities after the recipe, fitted on cal."""
    cal, test = (Outputs(torch.from_numpy(p), from_probs=True) for p in (task.cal, task.test))
    stages = PostHoc(resolve_chain(recipe, ("calibrator",), recipe), test.num_classes)
    with seeded(0):
        stages.fit(cal, torch.from_numpy(task.cal_labels))
        return stages.apply(test).probs().numpy()


def by_probmetrics(name: str, task: Task) -> Floats:
    """The test probabilities after probmetrics' calibrator of CalArena's name, built as in CalArena's run_benchmark.py."""
    from probmetrics import calibrators

    kind, arguments, one_vs_rest = PEERS[name]
    binary = task.test.shape[1] == 2
    if name == "Venn-Abers" and binary:
        kind = "BinaryVennAbersCalibrator"
    peer = getattr(calibrators, kind)(**arguments)
    peer = calibrators.MulticlassOneVsRestCalibrator(peer) if one_vs_rest and not binary else peer
    cal, test = (p[:, 1] if name == "BBQ" and binary else p for p in (task.cal, task.test))
    np.random.seed(0)
    peer.fit(cal, task.cal_labels)
    return unit(np.clip(peer.predict_proba(test), 0, 1))


def figures(task: Task, map_: Callable[[], Floats]) -> dict[str, float]:
    """The figures of one map on one task."""
    started, refused = time.perf_counter(), 0
    try:
        probs = map_()
    except RunError:
        probs, refused = task.test, 1
    seconds = time.perf_counter() - started
    judged = Judged(Outputs(torch.from_numpy(probs), from_probs=True), torch.from_numpy(task.test_labels))
    return {
        "brier": float(np.square(probs - np.eye(probs.shape[1])[task.test_labels]).sum(axis=1).mean()),
        "nll": float(judged.nll.mean()),
        "ece15": ECE(bins=15).value(judged),
        "accuracy": float(judged.correct.mean()),
        "seconds": seconds,
        "refused": refused,
    }


def of_task(task: Task, peers: bool) -> Iterator[tuple[str, dict[str, float]]]:
    """The name of every map, and its figures on one task."""
    recipes, others = (BINARY, BINARY_OTHERS) if task.test.shape[1] == 2 else (MULTICLASS, MULTICLASS_OTHERS)
    yield "Base-model", figures(task, lambda: task.test)
    for method, recipe in (recipes | {f"+{recipe}": recipe for recipe in others}).items():
        yield method, figures(task, lambda recipe=recipe: mapped(recipe, task))
    for method in recipes if peers else ():
        if method in PEERS:
            try:
                yield f"peer {method}", figures(task, lambda method=method: by_probmetrics(method, task))
            except Exception as error:  # what a peer refuses is no figure of ours
                print(f"peer {method}, {task.dataset}, {task.model}: {error!r}"[:200])


def lines(tasks: Iterable[Task], peers: bool) -> Iterator[dict[str, Any]]:
    """A line for each map, set and model: the mean over splits, with the sum of refusals."""
    for dataset, group in groupby(tasks, key=lambda task: task.dataset):
        by_line: dict[tuple[str, str, str], list[dict[str, float]]] = {}
        for task in group:
            print(task.dataset, task.model, flush=True)
            for method, found in of_task(task, peers):
                kind = "binary" if task.test.shape[1] == 2 else "multiclass"
                by_line.setdefault((kind, method, task.model), []).append(found)
        for (kind, method, model), found in by_line.items():
            means = {key: sum(row[key] for row in found) / len(found) for key in found[0]}
            means["refused"] *= len(found)
            yield {
                "benchmark": kind,
                "method": method,
                "dataset": dataset,
                "model": model,
                "splits": len(found),
                **means,
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--sets", help="data sets, joined by commas; default: all")
    parser.add_argument("--peers", action="store_true", help="also probmetrics' own calibrators")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    names = None if args.sets is None else args.sets.split(",")
    with threadpool_limits(1), args.file.open("w", newline="", encoding="utf-8") as file:
        writer = None
        for row in lines(chain(uci_tasks(names), stored_tasks(names)), args.peers):
            if writer is None:
                writer = csv.DictWriter(file, row)
                writer.writeheader()
            writer.writerow(row)
            file.flush()


if __name__ == "__main__":
    main()
