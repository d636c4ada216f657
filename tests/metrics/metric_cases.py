"""Samples to judge: drawn at random, or from a table of probabilities."""

from __future__ import annotations

import numpy as np
import torch

from calibench.metrics.judged import Judged
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs


def draw(n, k, rng):
    """Random logits `[n, k]` in which the true class is raised, and labels `[n]`."""
    labels = rng.integers(k, size=n)
    logits = rng.normal(size=(n, k)) * 1.5
    logits[np.arange(n), labels] += rng.exponential(2.0, size=n)
    return logits, labels


def simulated(n, k, seed, *, from_probs=False):
    """Random logits, or their softmax as float64 probabilities."""
    logits, labels = draw(n, k, np.random.default_rng(seed))
    scores = torch.tensor(logits)
    return Judged(Outputs(scores.softmax(1) if from_probs else scores, from_probs), torch.tensor(labels))


def simulated_with_decisions(n, k, seed):
    """Random logits with random decisions of every kind, so that every metric applies."""
    rng = np.random.default_rng(seed)
    logits, labels = draw(n, k, rng)
    decisions = full_decisions(rng.integers(-1, k, size=n), k, seed)
    return Judged(Outputs(torch.tensor(logits)), torch.tensor(labels), decisions)


def full_decisions(answers, k, seed=0):
    """`answers` with random sets, uncertainty with ties, and costs."""
    rng = np.random.default_rng(seed)
    return Decisions(
        torch.tensor(answers),
        sets=torch.tensor(rng.random((len(answers), k)) < 0.4),
        uncertainty=torch.tensor(rng.integers(5, size=len(answers)).astype(np.float64)),
        score="a score",
        costs=torch.tensor(rng.normal(size=(k, k + 1))),
    )


def from_table(probs, labels, decisions=None):
    """Probabilities `[n, k]` as a list of rows."""
    scores = torch.tensor(probs, dtype=torch.float64)
    return Judged(Outputs(scores, from_probs=True), torch.tensor(labels), decisions)


def binary(confidence, correct):
    """Two classes; class 0 is predicted with the given confidence (at least 1/2)."""
    confidence = np.asarray(confidence, dtype=np.float64)
    return from_table(np.stack([confidence, 1 - confidence], axis=1), 1 - np.asarray(correct, dtype=np.int64))


def name_of(metric):
    """The class of a metric with its number of bins, as a test's id."""
    return f"{type(metric).__name__}{getattr(metric, 'bins', '')}"
