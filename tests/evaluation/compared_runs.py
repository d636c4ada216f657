"""Stored runs of invented classifiers, judged as `calibench run` judges, for the tests of comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calibench import Outputs
from calibench.evaluation.judge import judge
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics, units_of
from calibench.records.record import ResultRecord
from calibench.records.store import write_run

CLASSES = 4


def samples(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits `[N, 4]` and labels drawn from them."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, CLASSES))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (probs.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, CLASSES - 1)
    return logits, labels


def store_run(
    folder: Path,
    recipe: str,
    seed: int,
    logits: np.ndarray,
    labels: np.ndarray,
    replicates: bool = True,
    **changes: Any,
) -> ResultRecord:
    """A record with its predictions, and with replicates unless they are to be made again."""
    import torch

    for name in ("records", "predictions"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    metrics = load_metrics("accuracy,brier,nll,ece15")
    scores = logits.astype(np.float32)
    judgement = judge(Judged(Outputs(torch.from_numpy(scores)), labels.astype(np.int64)), metrics)
    dataset = str(changes.get("dataset", "toy"))
    fields: dict[str, Any] = {
        "run_id": f"{dataset}-mlp-{recipe.replace(':', '_')}-s{seed}-{changes.pop('digest', 'aaaa')}",
        "recipe": recipe,
        "dataset": dataset,
        "model": "mlp",
        "seed": seed,
        "noise": None,
        "backend": "reference",
        "n": {"test": len(labels)},
        "metrics": judgement.metrics,
        "intervals": judgement.intervals,
        "noise_floor": {},
        "timings_s": {},
        "versions": {"calibench": "0.1.0", "torch": "2.13"},
        "units": units_of(metrics, judgement.metrics),
        "bootstrap": judgement.bootstrap,
        "data": {"clean_fingerprint": f"data of {dataset}", "test_fingerprint": f"test of {dataset}"},
        "created": "2025-01-01T00:00:00+00:00",
    }
    arrays: dict[str, Any] = {"test.logits": scores, "test.labels": labels.astype(np.int64)}
    if replicates:
        arrays |= {f"bootstrap.{name}": values for name, values in judgement.replicates.items()}
    return write_run(folder, ResultRecord(**(fields | changes)), arrays)
