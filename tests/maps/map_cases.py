"""Shared by the tests of maps: samples whose probabilities are off, and a recipe for every registered calibrator and rule.

As a script it fits, or applies, one map a case: `python map_cases.py fit FOLDER` and `python map_cases.py apply FOLDER`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

K = 4

CALIBRATORS = (
    "adaptive-temperature", "bbq", "bbq:of=classes", "beta", "beta:of=top", "cdf-spline", "cir", "cir:of=top", "dirichlet",
    "ets", "ets:loss=ce", "hist-quantile", "histogram", "histogram:binning=mass,of=classes", "irm", "isotonic",
    "isotonic:of=top", "ivap", "ivap:of=classes", "kernel", "matrix", "platt", "platt:score=probability", "platt-binner",
    "prior-correction", "prior-correction:method=em,source=uniform", "prior-correction:method=bbse",
    "prior-correction:prior=0.4;0.3;0.2;0.1", "quadratic", "sms", "spline", "spline-calib", "spline-calib:of=top", "svs",
    "temperature", "vector", "vector:l2=0.01", "temperature+isotonic", "temperature+prior-correction",
)  # fmt: skip

RULES = (
    "conformal", "conformal:method=aps", "conformal:method=raps,alpha=0.2,k_reg=2", "conformal:method=aps,randomized=false",
    "conformal:per=class,alpha=0.3", "cost:matrix={costs}", "ltt:target_risk=0.3", "ltt:target_cost=0.6,matrix={costs}",
    "sigmoid-threshold", "sigmoid-threshold:metric=f1", "threshold:value=0.6", "threshold:values=0.3;0.4;0.5;0.6",
    "threshold:target_risk=0.2", "threshold:target_coverage=0.7,score=entropy", "threshold:metric=f1",
    "temperature+threshold:target_risk=0.2", "temperature+conformal:method=aps", "isotonic+cost:matrix={costs}",
    "temperature+conformal:cal_split=cross-fit",
)  # fmt: skip

CASES = (*CALIBRATORS, *RULES)


def make(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are over-confident by 2 and biased to class 0, and labels drawn from the true probabilities.

    The logits are float32 numbers in float64, so that a graph in float32 sees the same.
    """
    rng = np.random.default_rng([n, seed])
    z = rng.normal(size=(n, K)) * 1.5
    p = np.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(K, p=row) for row in p])
    return (2 * z + np.array([0.5, 0, 0, 0])).astype(np.float32).astype(np.float64), labels


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def scores(kind: str, logits: np.ndarray) -> dict[str, np.ndarray]:
    """The keyword argument of `fit_map` and `evaluate`."""
    return {kind: logits if kind == "logits" else softmax(logits)}


def recipe(case: str, folder: Path) -> str:
    return case.replace("{costs}", f'"{folder / "costs.csv"}"')


def needs_fit(case: str) -> bool:
    """False for rules that learn nothing, which `evaluate` refuses to fit."""
    return case not in (
        "cost:matrix={costs}",
        "sigmoid-threshold",
        "threshold:value=0.6",
        "threshold:values=0.3;0.4;0.5;0.6",
    )


def map_file(folder: Path, case: str, kind: str) -> Path:
    return folder / f"{CASES.index(case)}-{kind}.json"


def fit_all(folder: Path) -> None:
    import calibench

    logits, labels = make(700, 0)
    for case in CASES:
        for kind in ("logits", "probs"):
            fitted = calibench.fit_map(labels=labels, method=recipe(case, folder), **scores(kind, logits))
            fitted.save(map_file(folder, case, kind))


def apply_all(folder: Path) -> None:
    import calibench

    summaries: dict[str, Any] = {}
    for case in CASES:
        for kind in ("logits", "probs"):
            path = map_file(folder, case, kind)
            fitted = calibench.load_map(path)
            applied = calibench.apply_map(fitted, folder / f"test-{kind}.npz", path.with_suffix(".npz"))
            summaries[path.name] = [applied.rows, applied.abstained, sorted(applied.adapted)]
    (folder / "summaries.json").write_text(json.dumps(summaries))


if __name__ == "__main__":
    {"fit": fit_all, "apply": apply_all}[sys.argv[1]](Path(sys.argv[2]))
