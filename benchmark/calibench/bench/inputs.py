"""Inputs of the timed calls: logits of a known temperature, so that calibration errors and fits are not degenerate."""

from __future__ import annotations

import math

import torch

from calibench.bench.case import Inputs, Shape

TEMPERATURE = 1.3
"""Over-confident, as trained networks are."""


def classifier(shape: Shape, dtype: torch.dtype, device: torch.device) -> Inputs:
    """Logits `[N, K]` and labels `[N]` int64 of a Gaussian mixture, over-confident by T = 1.3; every class has its rows.

    x = T b (z + b e_y) with z standard normal and b = sqrt(2 log K), at which the label ties with the best other class:
    two thirds of the rows are right, confidences fill all bins, and softmax(x / T) is the true posterior.
    """
    rows, classes = shape
    generator = torch.Generator(device).manual_seed(0)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    logits = torch.randn(rows, classes, generator=generator, dtype=wide, device=device)
    labels = torch.arange(rows, device=device).remainder_(classes)
    labels = labels[torch.randperm(rows, generator=generator, device=device)]
    b = math.sqrt(2 * math.log(max(classes, 2)))
    logits[torch.arange(rows, device=device), labels] += b
    return logits.mul_(TEMPERATURE * b).to(dtype), labels


def confidences(shape: Shape, dtype: torch.dtype, device: torch.device) -> Inputs:
    """Calibrated confidences `[N]`, uniform in [0, 1], and for each whether the prediction was right."""
    generator = torch.Generator(device).manual_seed(0)
    confidence = torch.rand(shape[0], generator=generator, dtype=torch.float64, device=device).to(dtype)
    correct = torch.rand(shape[0], generator=generator, dtype=torch.float64, device=device) < confidence
    return confidence, correct
