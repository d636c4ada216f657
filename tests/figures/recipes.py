"""Thirty runs and three evaluations that between them pass through every kind of stage, data, noise and shift, in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Recipe(NamedTuple):
    """The arguments of `calibench.run`, without the seed."""

    method: str
    options: dict[str, Any] = {}  # noqa: RUF012 - never written to


NOISE = {"noise": "symmetric:rate=0.3"}
FEATURES = {"dataset": "npz:path=features.npz", "model": "frozen"}
TABLE = {"dataset": "csv:path=labels.csv,label=a;b;c"}
SHORT = {"tst": "epochs=3", "vtst": "epochs=3", "mean-field": "epochs=3", "reinit": "epochs=2"}
"""Settings of stages whose usual budget takes long."""

RECIPES: tuple[Recipe, ...] = (
    Recipe("ce"),
    Recipe("ce+temperature+threshold:target_risk=0.02"),
    Recipe("label-smoothing+vector", {"settings": ["label-smoothing.optimizer=sgd", "label-smoothing.ema=0.9"]}),
    Recipe("focal+platt", {"settings": ["focal.lr_schedule=cosine", "focal.warmup=1", "focal.clip_norm=1"]}),
    Recipe("mixup+histogram"),
    Recipe("noise-ce:rate=estimate", NOISE),
    Recipe("forward:estimate=anchor", {"noise": "pairflip:rate=0.3"}),
    Recipe("elr", {"noise": "instance:rate=0.3"}),
    Recipe("co-teaching:rate=0.3", NOISE),
    Recipe("cleanlab", NOISE),
    Recipe("adafocal+isotonic"),
    Recipe("logit-norm+dirichlet"),
    Recipe("mbls+beta"),
    Recipe("gce+spline+threshold:metric=f1"),
    Recipe("bce+sigmoid-threshold"),
    Recipe("bce+temperature", TABLE),
    Recipe("sce+ivap+conformal:method=aps"),
    Recipe("tst+temperature"),
    Recipe("vtst+matrix"),
    Recipe("tst+ets", FEATURES),
    Recipe("vtst+ensemble:members=2", FEATURES),
    Recipe("reinit"),
    Recipe("mean-field+bbq"),
    Recipe("laplace"),
    Recipe("mc-dropout+platt-binner", {"model": "mlp:dropout=0.2"}),
    Recipe("swag"),
    Recipe("snapshot", {"shift": ["rotation", "label-shift"]}),
    Recipe("batch-ensemble", {"dataset": "wine"}),
    Recipe("tta", {"model": "cnn:width=4", "settings": ["ce.augment=crop=1;flip", "ce.select=last"]}),
    Recipe(
        "ce+ensemble:members=2",
        {"ood": ["npz:path=ood.npz"], "ood_score": ["entropy", "energy"], "shift": ["rotation"]},
    ),
)

EVALUATIONS: dict[str, dict[str, Any]] = {
    "logits": {"scores": "logits"},
    "probs+temperature": {"scores": "probs", "fit": "temperature"},
    "several labels": {"scores": "logits", "labels_per_sample": 3},
}


def write_inputs(folder: Path) -> None:
    """The files that recipes read, drawn by numpy's own generator."""
    draw = np.random.default_rng(7)
    x, y = _blobs(draw, 300, 4), np.arange(300) % 4
    weight = np.eye(4, 6, dtype=np.float32)
    np.savez(folder / "features.npz", train_x=x, train_y=y, head_weight=weight, head_bias=np.zeros(4, np.float32))
    images = draw.integers(0, 17, size=(120, 1, 8, 8)).astype(np.float32)
    np.savez(folder / "ood.npz", train_x=images, train_y=np.arange(120) % 2)
    table = draw.normal(size=(240, 4))
    labels = (table[:, :3] + draw.normal(size=(240, 3)) > 0).astype(int)
    lines = [",".join([*(f"{v:.6f}" for v in row), *map(str, truth)]) for row, truth in zip(table, labels, strict=True)]
    (folder / "labels.csv").write_text("\n".join(["u,v,w,x,a,b,c", *lines]) + "\n")


def scores_and_labels(seed: int, labels_per_sample: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Over-confident float32 logits `[400, 5]` with labels `[400]`, or `[400, Q]` with labels `[400, Q]`."""
    draw = np.random.default_rng(seed)
    if labels_per_sample > 1:
        logits = draw.normal(size=(400, labels_per_sample)) * 2
        return logits.astype(np.float32), (draw.random(logits.shape) < 1 / (1 + np.exp(-logits / 2))).astype(np.int64)
    labels = draw.integers(0, 5, size=400)
    logits = draw.normal(size=(400, 5)) * 2
    logits[np.arange(400), labels] += 2
    return logits.astype(np.float32), labels


def _blobs(draw: np.random.Generator, rows: int, classes: int) -> np.ndarray:
    x = draw.normal(size=(rows, 6))
    x[np.arange(rows), np.arange(rows) % classes] += 1.5
    return x.astype(np.float32)
