"""Samples of a model that is calibrated by construction: labels are drawn from its probabilities, which are then changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from calibench.evaluation.calibration_test import calibration_test, families
from calibench.evaluation.verdict import Verdict, verdict
from calibench.metrics.judged import Judged
from calibench.metrics.noise_floor import drawn_figures
from calibench.outputs.outputs import Outputs

Array = NDArray[Any]


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def draw(
    rng: np.random.Generator, n: int, classes: int, *, sharpen: float = 1.0, over_predict: float = 1.0
) -> tuple[Array, Array]:
    """Probabilities `[N, K]` and labels. `sharpen` multiplies the logits afterwards, `over_predict` the odds of class 0."""
    return draw_with_truth(rng, n, classes, sharpen=sharpen, over_predict=over_predict)[1:]


def draw_with_truth(
    rng: np.random.Generator,
    n: int,
    classes: int,
    *,
    sharpen: float = 1.0,
    over_predict: float = 1.0,
    scale: float = 2.0,
) -> tuple[Array, Array, Array]:
    """The true probabilities `[N, K]`, and what `draw` returns. The true logits are normal, with a deviation of `scale`."""
    z = rng.normal(size=(n, classes)) * scale
    p = softmax(z)
    labels = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    z = z * sharpen
    z[:, 0] += np.log(over_predict)
    return p, softmax(z), labels


def judge_verdict(p: Array, labels: Array, soft: Array | None = None, *, draws: int = 1000, seed: int = 0) -> Verdict:
    """The verdict on probabilities `p`."""
    judged = Judged(Outputs(torch.tensor(p), True), torch.tensor(labels), soft=soft)
    drawn = drawn_figures(judged, families(judged), draws=draws, seed=seed)
    return verdict(judged, calibration_test(judged, drawn, seed), drawn)
