"""Inputs of the timed calls: logits of a known temperature, so that calibration errors and fits are not degenerate."""

from __future__ import annotations

import math

import torch

from calibench.bench.case import Inputs, Shape

TEMPERATURE = 1.3
"""Over-confident, as trained networks are."""

LEAD, LEAD_SD = 4.0, 3.0
"""Mean and SD over the rows of the lead of one class over the sum of all others, as a logit of its probability."""


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


def trained_network(shape: Shape, dtype: torch.dtype, device: torch.device) -> Inputs:
    """Logits `[N, K]` and labels `[N]` int64 like those of a trained network: 83 to 92 % right, over-confident by T = 1.3.

    x = T (z + (ln(K - 1) + d) e_c) with z standard normal, c a random class, and the lead d normal, so that most rows are sure
    and every bin of the confidence has some. Labels are drawn from softmax(x / T).
    """
    rows, classes = shape
    generator = torch.Generator(device).manual_seed(0)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    logits = torch.randn(rows, classes, generator=generator, dtype=wide, device=device)
    leader = torch.randint(classes, (rows,), generator=generator, device=device)
    lead = LEAD + LEAD_SD * torch.randn(rows, generator=generator, dtype=wide, device=device)
    logits[torch.arange(rows, device=device), leader] += lead + math.log(max(classes - 1, 1))
    labels = logits.softmax(1).multinomial(1, generator=generator)[:, 0]
    return logits.mul_(TEMPERATURE).to(dtype), labels


def confidences(shape: Shape, dtype: torch.dtype, device: torch.device) -> Inputs:
    """Calibrated confidences `[N]`, uniform in [0, 1], and for each whether the prediction was right."""
    generator = torch.Generator(device).manual_seed(0)
    confidence = torch.rand(shape[0], generator=generator, dtype=torch.float64, device=device).to(dtype)
    correct = torch.rand(shape[0], generator=generator, dtype=torch.float64, device=device) < confidence
    return confidence, correct
